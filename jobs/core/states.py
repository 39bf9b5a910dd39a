"""The states of a job and of an attempt: Celery's own words, their order, and what people are shown."""

from enum import StrEnum


class State(StrEnum):
    """Where a job, or one attempt of it, stands. LOST is a state of attempts only."""

    #: Accepted, and waiting: for its due time, for a queue, or for a worker.
    PENDING = "PENDING"
    #: A worker has claimed the attempt.
    STARTED = "STARTED"
    #: The attempt failed and a further one is to come at `next_retry_at`.
    RETRY = "RETRY"
    #: The worker of the attempt vanished.
    LOST = "LOST"
    FAILURE = "FAILURE"
    #: Cancelled, confirmed by a worker or taken before any worker had claimed it.
    REVOKED = "REVOKED"
    SUCCESS = "SUCCESS"


FINAL = frozenset({State.SUCCESS, State.FAILURE, State.REVOKED})
UNFINISHED = frozenset({State.PENDING, State.STARTED, State.RETRY})

#: The order of states within one attempt (LINE 7): of two reports the higher is the later truth.
RANK: dict[str, int] = {
    State.PENDING: 0,
    State.STARTED: 1,
    State.RETRY: 2,
    State.LOST: 3,
    State.FAILURE: 4,
    State.REVOKED: 4,
    State.SUCCESS: 5,
}

#: What people are shown, by the name that pages use as CSS class, chip and search word.
#: "scheduled" is PENDING with a due time ahead; "cancelling" is STARTED with a cancel wish.
SHOWN = {
    "scheduled": "Scheduled",
    "queued": "Queued",
    "running": "Running",
    "retrying": "Retrying",
    "succeeded": "Succeeded",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "lost": "Lost",
}
_SHOWN_AS = {
    State.PENDING: "queued",
    State.STARTED: "running",
    State.RETRY: "retrying",
    State.LOST: "lost",
    State.FAILURE: "failed",
    State.REVOKED: "cancelled",
    State.SUCCESS: "succeeded",
}


def shown_as(state: str, *, waits_for_due: bool = False) -> str:
    """The key into SHOWN for a stored state."""
    if state == State.PENDING and waits_for_due:
        return "scheduled"
    return _SHOWN_AS[known(state)]


def known(state: str) -> State:
    """A stored state; of a word that is none, which no version of this wrote, that nobody knows what became of it."""
    return State(state) if state in _SHOWN_AS else State.LOST
