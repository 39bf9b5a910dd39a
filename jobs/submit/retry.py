"""A person's retry (the same job, one attempt more) and rerun (a new job from an old one's parameters)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from jobs.core.errors import Conflict, Refused
from jobs.core.fields import UploadField
from jobs.core.redaction import holds_mask
from jobs.core.states import SHOWN, State, shown_as
from jobs.models import AuditEntry, Job
from jobs.models.writing import write
from jobs.submit.foreign import rerun_task
from jobs.submit.live import live_state, wait_for_record
from jobs.submit.submission import first_check, publish_now
from jobs.submit.submit import submit
from jobs.submit.validate import out_of_a_row


def retry(job: Job, user: Any = None, via: str = "form") -> Job:
    """Run a failed or cancelled job again, as its attempt n+1. Raises Conflict in any other state.

    Also raised where a worker told of a task whose secrets were masked: nobody here has the arguments to repeat it.
    """
    if not job.is_kind and holds_mask(job.params):
        raise Conflict(
            "This job cannot be run again from here: it was sent by Celery code, and a secret among its arguments "
            "was masked when it was recorded. Send it again from that code.",
            job.state,
        )
    if not job.is_kind and not job.queue:
        raise Conflict("This job cannot be run again from here: nobody told which queue it was sent to.", job.state)
    if job.send_options.get("wants_result"):
        raise Conflict(
            "This job never ran, and takes the result of the one before it, which failed. Celery code ties the two: "
            "send both again from there.",
            job.state,
        )
    if job.workflow and not job.workflow.is_canvas:
        raise Conflict("This job is a step of a workflow: retry the workflow, from its failed step.", job.state)
    wait_for_record(job)
    kind = job.kind_class
    keys = [part_key(job, part) for part in kind.parts] if kind else []
    if keys and Job.objects.filter(rerun_of=job, idempotency_key__in=keys).exists():
        raise Conflict(
            "What was left of this job was given to a rerun, and would be done twice: retry that.", job.state
        )
    try:
        return _again(job, user, via)
    except IntegrityError as error:
        raise Conflict("A job that does the same waits or runs already.", job.state) from error


def _again(job: Job, user: Any, via: str) -> Job:
    now = timezone.now()
    with write():
        # Of two people who press at once, one UPDATE finds the state; the other's WHERE no longer matches.
        mine = Job.objects.filter(pk=job.pk, attempt=job.attempt)
        again = start_again(mine, now, next_check_at=first_check(job.kind_class, now))
        if not again:
            job.refresh_from_db()
            state = live_state(job)
            raise Conflict(
                f"Only a failed or cancelled job can be retried; this one is {SHOWN[shown_as(state)].lower()}.", state
            )
        AuditEntry.record(user, "retry", job=job, via=via)
        fresh = Job.objects.select_related("owner").get(pk=job.pk)
        transaction.on_commit(lambda: publish_now([fresh]))
    return fresh


def part_key(job: Job, part: str) -> str:
    """The idempotency key of the rerun that does a part of the job's present attempt."""
    return f"{job.id} {part} {job.attempt}"[-255:]


def start_again(jobs: QuerySet[Job], now: datetime, *, next_check_at: datetime | None) -> int:
    """Set those that have failed or were cancelled to their attempt n+1; answers how many."""
    return jobs.filter(state__in=[State.FAILURE, State.REVOKED]).update(
        state=State.PENDING,
        attempt=F("attempt") + 1,
        max_attempts=F("max_attempts") + F("attempt") - F("first_attempt") + 1,
        first_attempt=F("attempt") + 1,
        assumed=False,
        cancel_requested_at=None,
        published_at=None,
        started_at=None,
        finished_at=None,
        due_at=None,
        error="",
        error_type="",
        signature="",
        outcome="",
        worker="",
        changed=now,
        next_check_at=next_check_at,
    )


def rerun(
    job: Job,
    user: Any = None,
    params: Mapping[str, Any] | None = None,
    files: Any = None,
    via: str = "form",
    **options: Any,
) -> Job:
    """A new job from an old one's parameters, with `params` laid over them; linked to it.

    params of a task that is no kind: arguments by the names of its parameters.
    options: those of `submit` (title, priority, queue, due_at, idempotency_key). Raises Refused.
    """
    kind = job.kind_class
    options.setdefault("priority", job.priority)
    options.setdefault("title", job.title if not params else "")
    if not job.is_kind:
        return rerun_task(job, user, params, via=via, **options)
    if kind is None:
        raise Refused({"kind": [f"{job.kind} is not a kind of job that can be submitted here."]})
    fields = kind.Form().fields
    kept = out_of_a_row(kind, {name: value for name, value in job.params.items() if name in fields})
    for name, field in fields.items():
        if isinstance(field, UploadField) and files and files.getlist(name):
            kept.pop(name, None)
    return submit(kind, {**kept, **(params or {})}, files=files, user=user, via=via, rerun_of=job, **options)
