"""What a PeriodicTask starts: the job of a run, as Celery's own beat would send it; and what keeps it from that."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.db import DatabaseError
from django.utils import timezone

from jobs.core import priorities
from jobs.core.errors import Refused
from jobs.core.kind import Kind
from jobs.core.outcome import clean
from jobs.core.plain import strict_json
from jobs.core.registry import kind_of_task
from jobs.foreign.route import expiry
from jobs.foreign.task import readable_call_of
from jobs.models import AuditEntry, Schedule
from jobs.models.job import Via
from jobs.schedules import rules
from jobs.schedules.plan import is_needless, runs
from jobs.submit.foreign import drafted_call
from jobs.submit.submission import Draft, Submission
from jobs.submit.terms import Terms
from jobs.submit.validate import bind, out_of_a_row

log = logging.getLogger(__name__)

#: Characters of what is told to be wrong.
_LONGEST = 1000
#: Headers by which Jobsite's workers know their own messages: nobody else sets them.
_OURS = "jobsite_"


def draft_of(schedule: Schedule, slot: datetime | None, user: Any) -> Draft:
    """The job of one run, not stored. Raises Refused, and what a kind's own form raises."""
    task = schedule.task
    args, kwargs = _read(task, "args", list), _read(task, "kwargs", dict)
    sending = {
        "queue": task.queue or None,
        "priority": task.priority,
        "expires": task.expires or task.expire_seconds or None,
        "headers": {
            **{name: value for name, value in _read(task, "headers", dict).items() if not name.startswith(_OURS)},
            # The two by which beat says what it has sent.
            "periodic_task_name": task.name,
            "celery_beat_task": True,
        },
    }
    options = {"user": user, "via": Via.SCHEDULE, "title": task.name, "schedule": schedule, "slot": slot}
    if (kind := kind_of_task(task.task)) is not None:
        return _draft_of_kind(kind, task, args, kwargs, sending, options)
    args, kwargs = readable_call_of({"args": args, "kwargs": kwargs})
    sending |= {"exchange": task.exchange or None, "routing_key": task.routing_key or None}
    return drafted_call(task.task, args, kwargs, sending=sending, **options)


def _draft_of_kind(
    kind: type[Kind], task: Any, args: list[Any], kwargs: dict[str, Any], sending: dict[str, Any],
    options: dict[str, Any],
) -> Draft:  # fmt: skip
    if args:
        raise Refused({"args": [f"{kind.label} takes its parameters by name alone."]})
    if task.exchange or task.routing_key:
        raise Refused({"exchange": [f"{kind.label} is sent to a queue: name that, without exchange and routing key."]})
    expires, priority = sending["expires"], sending["priority"]
    send_options = {"headers": sending["headers"]}
    if expires is not None:
        send_options["expires"] = expiry(expires, timezone.now())
    terms = Terms.of(
        kind, **options, queue=sending["queue"], priority=None if priority is None else priorities.step_of(priority),
        send_options=send_options,
    )  # fmt: skip
    return Submission.of(terms, bind(kind, out_of_a_row(kind, kwargs), None, terms.user)).draft()


def _read(task: Any, field: str, wanted: type) -> Any:
    """A JSON column of a PeriodicTask; an empty one is an empty list or object. Raises Refused."""
    text = getattr(task, field)
    name = "a JSON list" if wanted is list else "a JSON object"
    try:
        value = strict_json(text or ("[]" if wanted is list else "{}"))
    except ValueError as error:
        raise Refused({field: [f"This is no JSON ({error}): expected {name}."]}) from error
    if not isinstance(value, wanted):
        raise Refused({field: [f"Expected {name}."]})
    return value


def trouble_of(schedule: Schedule, now: datetime) -> str:
    """Why a schedule that is on cannot start its runs; "" where it can."""
    if not schedule.task.enabled or is_needless(schedule.task):
        return ""
    try:
        next(runs(schedule, now), None)
    except rules.UNUSABLE as error:
        return f"Its rule cannot be used: {_text(error)}"
    return attempted(lambda: draft_of(schedule, None, schedule.owner))


def refusal(schedule: Schedule, trouble: str) -> AuditEntry:
    """What the audit says of it, once and not at every run; not stored."""
    log.error("the schedule %r cannot start its jobs: %s", schedule.task.name, trouble)
    return AuditEntry.unsaved(None, "refused", target=schedule.task.name[:200], via=Via.SCHEDULE, error=trouble)


def attempted(work: Callable[[], object]) -> str:
    """Why it failed; "" where it did not. Raises DatabaseError, which is nobody's mistake."""
    try:
        work()
    except DatabaseError:
        raise
    except Exception as error:  # whatever a kind's form or the stored JSON raises
        return _text(error)
    return ""


def _text(error: Exception) -> str:
    return clean(error)[:_LONGEST]
