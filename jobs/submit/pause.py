"""Pausing a running job: a wish in Redis, as its cancel is, which the worker follows and a later attempt inherits."""

from typing import Any

from jobs.core.errors import Conflict
from jobs.core.states import SHOWN, State, shown_as
from jobs.models import AuditEntry, Job
from jobs.submit.live import live_state
from jobs.wire import keys, scripts
from jobs.wire.connection import breaker, redis_client


def pause(job: Job, user: Any = None, via: str = "form") -> Job:
    """Ask that a running job stand still until it is resumed. Raises ConnectionError, and Conflict where it cannot:
    it does not run, is paused already, or its kind is not pausable."""
    kind = job.kind_class
    if kind is None or not kind.pausable:
        raise Conflict(f"“{job.kind_label}” cannot be paused.", live_state(job))
    verdict = _wish(job, "1")
    if verdict != "ok":
        state = live_state(job)
        word = "paused already" if verdict == "already" else SHOWN[shown_as(state)].lower()
        raise Conflict(f"Only what runs can be paused; this job is {word}.", state)
    AuditEntry.record(user, "pause", job=job, via=via)
    return job


def resume(job: Job, user: Any = None, via: str = "form") -> Job:
    """Let a paused job go on. Raises ConnectionError, and Conflict where it is not paused."""
    if _wish(job, "0") != "ok":
        raise Conflict("This job is not paused.", live_state(job))
    AuditEntry.record(user, "resume", job=job, via=via)
    return job


def _wish(job: Job, pause: str) -> str:
    started = "1" if job.state == State.STARTED else "0"
    return breaker.call(
        scripts.call, redis_client(), "pause", [keys.run(job.id), keys.PAUSES], [pause, job.id, started]
    )
