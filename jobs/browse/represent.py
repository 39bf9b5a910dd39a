"""The shape of a job for programs: one place, for the REST API, the page and the export."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from jobs.browse.live import Live, lay_over
from jobs.core import priorities
from jobs.core.ids import to_address
from jobs.core.states import State
from jobs.models import Job

API = "/api/v1/jobs/"


def job_json(job: Job, live: Live | None = None, result: Any = None) -> dict[str, Any]:
    """A job as the REST API shows it. job: with `owner` selected; `live` is laid over it.

    result: the whole result, where the caller has read it (`detail.result_of`); lists leave it None and have
    `outcome`, the short one. Times are ISO 8601 in UTC, `progress.eta` is in seconds.
    """
    if live:
        lay_over(job, live)
    running = job.state == State.STARTED
    paused = live is not None and live.pause and not job.is_final
    return {
        "id": job.id,
        "kind": job.kind,
        "state": str(job.state),
        "shown": job.shown,
        "title": job.title,
        "owner": job.owner.get_username() if job.owner else None,
        "queue": job.queue,
        "priority": priorities.NAMES.get(job.priority, str(job.priority)),
        "progress": live.progress.as_json() if live and live.progress and running else None,
        "workflow": job.workflow_id,
        "attempt": job.attempt,
        "max_attempts": max(job.max_attempts, job.attempt),
        "next_retry_at": iso(job.next_check_at) if job.state == State.RETRY else None,
        "cancelling": job.is_cancelling,
        "paused": paused,
        "outcome": job.outcome,
        "result": result,
        "error": {"type": job.error_type, "message": job.error} if job.error or job.error_type else None,
        "times": {
            "created": iso(job.created),
            "due": iso(job.due_at),
            "published": iso(job.published_at),
            "started": iso(job.started_at),
            "finished": iso(job.finished_at),
        },
        "links": links(job),
    }


def address(job: Job) -> str:
    """The job's path in the API; a foreign id may hold any character."""
    return API + quote(to_address(job.id), safe="")


def links(job: Job) -> dict[str, str]:
    """Paths of the job's resources."""
    here = address(job)
    return {
        "self": here,
        "attempts": f"{here}/attempts",
        "logs": f"{here}/logs",
        "artifacts": f"{here}/artifacts",
        "page": job.get_absolute_url(),
    }


def iso(moment: datetime | None) -> str | None:
    """2026-11-21T14:02:09.123Z"""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
