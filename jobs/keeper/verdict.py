"""What becomes of a job whose worker vanished: the kind's policy decides (LINE 2, 4)."""

from dataclasses import dataclass
from typing import Any

from jobs.core.registry import get_kind
from jobs.core.states import State

#: Attempts of one cycle that may be lost: a job that kills its workers is ended, not sent on for ever.
MOST_LOST = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state a loss leads to: RETRY after `delay` [s], FAILURE or REVOKED."""

    state: State
    error_type: str
    error: str
    delay: float = 0.0


def after_loss(job: Any, lost_before: int) -> Verdict:
    """Judge the loss of a job's current attempt, `lost_before` attempts of this cycle having been lost before."""
    if job.cancel_requested_at is not None:
        return Verdict(State.REVOKED, "Lost", "its worker vanished while it was being cancelled")
    kind = get_kind(job.kind) if job.is_kind else None
    if kind is None or not kind.idempotent:
        return Verdict(
            State.FAILURE, "OutcomeUnknown", "The worker vanished. The job may have finished, so it was not repeated."
        )
    if lost_before + 1 >= MOST_LOST:
        return Verdict(State.FAILURE, "WorkerLost", f"The worker vanished {MOST_LOST} times while it ran this job.")
    return Verdict(State.RETRY, "Lost", "The worker vanished; the job starts again.", 2.0**lost_before)
