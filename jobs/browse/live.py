"""What moves: Redis' word on unfinished jobs, laid over their SQL rows."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jobs.core.kind import PAUSED_STEP
from jobs.core.states import FINAL, RANK, State, known
from jobs.models import Job
from jobs.wire import keys
from jobs.wire.connection import breaker, redis_client

_FIELDS = ("attempt", "state", "worker", "progress", "cancel", "pause")
#: [s] of work before a time left is worth telling.
_ESTIMATE_AFTER = 2.0
#: Beyond it, no number of a task's progress is believed; and no moment [unix seconds] beyond the other.
_MOST, _LAST = 1e15, 4e9


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a running attempt is; `at` and `started` in unix seconds."""

    current: float
    total: float
    step: str
    at: float
    started: float

    @classmethod
    def parse(cls, text: str) -> "Progress | None":
        """From the JSON of the run hash; None for what is none."""
        try:
            data = json.loads(text)
            return cls(
                _number(data.get("current")), _number(data.get("total")), str(data.get("step") or ""),
                _seconds(data.get("at")), _seconds(data.get("started")),
            )  # fmt: skip
        except (ValueError, TypeError, AttributeError):
            return None

    @property
    def fraction(self) -> float | None:
        """0 to 1; None where the total is unknown."""
        return min(1.0, max(0.0, self.current / self.total)) if self.total > 0 else None

    @property
    def rate(self) -> float | None:
        """[1/s]; None while it is too early to tell."""
        took = self.at - self.started
        return self.current / took if took >= _ESTIMATE_AFTER and self.current > 0 else None

    @property
    def eta(self) -> float | None:
        """Time left [s] at the pace so far; None while it is too early to tell, or nothing moves."""
        if self.rate is None or self.fraction is None or self.step == PAUSED_STEP:
            return None
        return (self.total - self.current) / self.rate if self.fraction < 1 else 0.0

    def as_json(self) -> dict[str, Any]:
        eta = None if self.eta is None else round(self.eta, 1)
        return {"current": self.current, "total": self.total, "step": self.step, "eta": eta}


def _number(value: Any) -> float:
    """A number as JSON has it: whole ones stay whole, nothing is 0."""
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else float(value or 0)
    # A task may tell anything: what no page can count with, NaN among it, is nothing.
    return number if -_MOST < number < _MOST else 0


def _seconds(value: Any) -> float:
    """A moment in unix seconds that a calendar has."""
    number = _number(value)
    return number if 0 <= number < _LAST else 0


@dataclass(frozen=True, slots=True)
class Live:
    """The live attempt of one job, from its run hash."""

    attempt: int
    state: State
    worker: str
    progress: Progress | None
    #: A wish to cancel has reached the worker.
    cancel: bool
    #: Somebody has paused it.
    pause: bool = False

    @property
    def stands_still(self) -> bool:
        """Paused, and its worker says so."""
        return self.pause and self.progress is not None and self.progress.step == PAUSED_STEP

    @classmethod
    def parse(cls, hash: Mapping[str, str]) -> "Live | None":
        """None where the hash is missing or says nothing of a state."""
        try:
            return cls(
                attempt=int(hash["attempt"]),
                state=State(hash["state"]),
                worker=hash.get("worker") or "",
                progress=Progress.parse(hash["progress"]) if hash.get("progress") else None,
                cancel=bool(hash.get("cancel")),
                pause=bool(hash.get("pause")),
            )
        except (KeyError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class Overlay:
    """Live values by job id. `reachable` is false where Redis did not answer: the rows are SQL's alone."""

    lives: dict[str, Live]
    reachable: bool = True

    def get(self, job: Job) -> Live | None:
        return self.lives.get(job.id)


def overlay(jobs: Iterable[Job]) -> Overlay:
    """Read the unfinished of `jobs` from Redis in one round trip, and lay what they say over the rows."""
    moving = [job for job in jobs if not job.is_final]
    if not moving:
        return Overlay({})
    try:
        hashes = breaker.call(_read, [job.id for job in moving])
    except ConnectionError:
        return Overlay({}, reachable=False)
    lives = {}
    for job, values in zip(moving, hashes, strict=True):
        hash = {name: value for name, value in zip(_FIELDS, values, strict=True) if value is not None}
        if (live := Live.parse(hash)) and lay_over(job, live):
            lives[job.id] = live
    return Overlay(lives)


def _read(ids: list[str]) -> list[list[str | None]]:
    pipe = redis_client().pipeline(transaction=False)
    for job_id in ids:
        pipe.hmget(keys.run(job_id), _FIELDS)
    return pipe.execute()


def lay_over(job: Job, live: Live) -> bool:
    """Give the (unsaved) row the live state, where it is the later truth (LINE 7); whether it is.

    A final state in SQL is never left, and of the same attempt the higher rank wins.
    """
    if job.is_final:
        return False
    newer = live.attempt > job.attempt or (live.attempt == job.attempt and RANK[live.state] >= RANK[known(job.state)])
    if not newer and live.state != State.SUCCESS:
        return False
    started_now = live.state == State.STARTED and (job.state != State.STARTED or live.attempt > job.attempt)
    if live.attempt > job.attempt or started_now:
        job.started_at = None
    if started_now and live.progress and live.progress.started:
        job.started_at = datetime.fromtimestamp(live.progress.started, UTC)
    job.state, job.attempt = live.state, max(live.attempt, job.attempt)
    if live.state == State.SUCCESS:
        job.error_type = job.error = ""  # of the attempt before
    if live.worker and live.state not in FINAL:
        job.worker = live.worker
    return True
