"""Rows for tasks that other people's code sent: accepted, from our side, when a worker first told of them."""

from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model

from jobs.core.moment import moment
from jobs.core.outcome import storable
from jobs.core.retry import MOST_ATTEMPTS
from jobs.core.search_words import words_for
from jobs.keeper.plan import whole
from jobs.models import Job
from jobs.models.job import Via
from jobs.wire.events import Event


def accept(unknown: list[Event]) -> None:
    """Store a job for each; that of a task which somebody's job started is that person's too."""
    users: Any = get_user_model()._default_manager
    owners = {str(user.pk): user for user in users.filter(pk__in={event.user for event in unknown if event.user})}
    rows: dict[str, Job] = {}
    for event in unknown:
        rows.setdefault(event.job, _row(event, owners.get(event.user)))
    Job.objects.bulk_create(rows.values(), ignore_conflicts=True)


def _row(event: Event, owner: Any) -> Job:
    fields = event.fields
    name = str(fields.get("task") or "unknown")[:255]
    return Job(
        id=event.job[:255],
        kind=name,
        is_kind=False,
        title=title_of(name),
        owner=owner,
        via=Via.CELERY,
        queue=str(fields.get("queue") or "")[:100],
        priority=priority_of(event),
        params=params_of(event),
        max_attempts=whole(fields.get("max_attempts"), 1, MOST_ATTEMPTS),
        send_options={"wants_result": True} if fields.get("wants_result") else {},
        due_at=_eta(fields.get("eta")),
        created=event.at,
        changed=event.at,
        search=words_for(name.rsplit(".", 1)[-1], name, name, owner.get_username() if owner else ""),
    )


def _eta(text: Any) -> datetime | None:
    """When Celery code wants it started; None where it says nothing that a page can show."""
    try:
        return moment(str(text)) if text else None
    except ValueError:
        return None


def params_of(event: Event) -> Any:
    return storable({"args": event.fields.get("args", []), "kwargs": event.fields.get("kwargs", {})})


def priority_of(event: Event) -> int:
    return whole(event.fields.get("priority"), 0, 9)


def title_of(name: str) -> str:
    """What people read of a task's name."""
    return name.rsplit(".", 1)[-1].replace("_", " ")[:200] or name[:200]
