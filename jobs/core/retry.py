"""When a failed attempt is followed by another, and how long it waits."""

import random
from dataclasses import dataclass
from typing import Any

from jobs.core.errors import NoRoom


@dataclass(frozen=True)
class Exponential:
    """A delay that grows with each attempt: base * factor^(n-1), never above cap [s].

    With jitter the delay is drawn evenly from its upper half, so that jobs that failed together do not
    come back together.
    """

    base: float = 2.0
    cap: float = 300.0
    factor: float = 2.0
    jitter: bool = True

    def delay(self, attempt: int) -> float:
        """Seconds to wait after attempt number `attempt` (the first is 1) has failed."""
        full = min(self.cap, self.base * self.factor ** min(attempt - 1, 60))
        return random.uniform(full / 2, full) if self.jitter else full


#: What a row can hold.
MOST_ATTEMPTS = 2**31 - 1
#: [s] that an exception may ask for.
LONGEST_DELAY = 86_400.0


@dataclass(frozen=True)
class Retry:
    """A kind's policy: which exceptions are worth a further attempt, and how many attempts in all.

    An exception may carry `retry_after` [s], which then is the least delay, up to LONGEST_DELAY.
    """

    on: tuple[type[BaseException], ...] = ()
    attempts: int = 1
    backoff: Exponential = Exponential()

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError("Retry.attempts counts every attempt, the first included: at least 1")
        if self.attempts > 1 and not self.on:
            raise ValueError("Retry.on names the exceptions that are worth another attempt")

    def delay_after(self, error: BaseException, attempt: int) -> float | None:
        """Seconds until the next attempt, or None where this error ends the job."""
        if attempt >= self.attempts or not isinstance(error, self.on):
            return None
        asked = getattr(error, "retry_after", None) or 0.0
        return max(self.backoff.delay(attempt), min(float(asked), LONGEST_DELAY))


NO_RETRY = Retry()
#: Of a job that could not keep what it makes, whatever its kind's own policy: for over an hour somebody may make room.
UNTIL_ROOM = Retry(on=(NoRoom,), attempts=20, backoff=Exponential(base=5, cap=300))


def attempts_of_task(task: Any, retries: int) -> int:
    """The attempts that are told of a Celery task, of which `retries` were retries.

    Celery gives every task three retries, also the many whose code never asks for one: until it has done so, or has
    declared what it retries on, one attempt is all that can be told.
    """
    if task is None or not (retries or getattr(task, "autoretry_for", None)):
        return 1
    return attempts_with(task.max_retries)


def attempts_with(max_retries: float | None) -> int:
    """The attempts that a Celery task may have, as far as a row can hold their number; None, as Celery's: no end, of
    which nobody can say more than that the first is one."""
    return int(min((max_retries or 0) + 1, MOST_ATTEMPTS))
