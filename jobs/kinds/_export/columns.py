"""What an export tells of a job: typed values, in one order for every format."""

import datetime as dt
from typing import TYPE_CHECKING, Any

from jobs.core.priorities import NAMES

if TYPE_CHECKING:
    from jobs.models import Job

#: Column: type. Times are UTC; waited (from submission, or the due time, to the start) and took are in seconds.
COLUMNS: dict[str, type] = {
    "id": str,
    "title": str,
    "kind": str,
    "state": str,
    "owner": str,
    "via": str,
    "queue": str,
    "priority": str,
    "attempts": int,
    "max_attempts": int,
    "worker": str,
    "outcome": str,
    "error_type": str,
    "error": str,
    "created": dt.datetime,
    "due": dt.datetime,
    "started": dt.datetime,
    "finished": dt.datetime,
    "waited": float,
    "took": float,
}


def values(job: "Job") -> list[Any]:
    """A job's values in the order of COLUMNS."""
    ready = max(job.created, job.due_at) if job.due_at else job.created
    return [
        job.id, job.title, job.kind, job.shown_word, job.owner.get_username() if job.owner else "", job.via, job.queue,
        NAMES.get(job.priority, str(job.priority)), job.attempt, job.max_attempts, job.worker, job.outcome,
        job.error_type, job.error, _utc(job.created), _utc(job.due_at), _utc(job.started_at), _utc(job.finished_at),
        _seconds(ready, job.started_at), _seconds(job.started_at, job.finished_at),
    ]  # fmt: skip


def _utc(moment: dt.datetime | None) -> dt.datetime | None:
    return moment.astimezone(dt.UTC) if moment else None


def _seconds(start: dt.datetime | None, end: dt.datetime | None) -> float | None:
    return round(max(0.0, (end - start).total_seconds()), 3) if start and end else None
