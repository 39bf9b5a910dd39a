"""What moves: Redis' word on unfinished jobs, laid over their SQL rows."""

import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from jobs.core.kind import PAUSED_STEP
from jobs.core.outcome import clean, first_line, from_json, outcome_of
from jobs.core.states import FINAL, RANK, State, known
from jobs.models import Job
from jobs.wire import keys
from jobs.wire.connection import breaker, redis_client
from jobs.wire.events import Event, decode, moment

#: Of a run hash what lists and answers are made of.
FIELDS = ("event", "attempt", "state", "worker", "progress", "cancel", "pause", "queued", "begun")
#: States of which the report says more than the hash: what came of it, why, and when it goes on.
_REPORTED = FINAL | {State.RETRY}
#: [s] of work before a time left is worth telling, and of time left beyond which it is none (30 years).
_ESTIMATE_AFTER, _LONGEST_LEFT = 2.0, 1e9
#: The greatest number that every reader of JSON takes exactly, and a moment after all that clocks show [unix seconds].
_MOST, _LAST = 2**53, 7_258_118_400.0


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
            return cls.of(json.loads(text))
        except (ValueError, RecursionError):
            return None

    @classmethod
    def of(cls, told: Any) -> "Progress | None":
        """From what a task told: any JSON, whatever its code counts with; None for what is no progress."""
        if not isinstance(told, dict):
            return None
        try:
            return cls(
                _number(told.get("current")), _number(told.get("total")), clean(told.get("step")),
                _seconds(told.get("at")), _seconds(told.get("started")),
            )  # fmt: skip
        except (ValueError, TypeError, OverflowError):
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
        left = max(0.0, self.total - self.current) * (self.at - self.started) / self.current
        return left if left < _LONGEST_LEFT else None

    def as_json(self) -> dict[str, Any]:
        eta = None if self.eta is None else round(self.eta, 1)
        return {"current": self.current, "total": self.total, "step": self.step, "eta": eta}


def _number(value: Any) -> float:
    """A number as JSON has it: whole ones stay whole; nothing, NaN and what no reader takes is 0: unknown."""
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else float(value or 0)
    return number if abs(number) <= _MOST else 0


def _seconds(value: Any) -> float:
    """A moment [unix seconds]; 0 for none that clocks show."""
    return number if 0 < (number := _number(value)) < _LAST else 0.0


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
    #: Id of the last event, and when the attempt was published, began and came to its state: by the events of those,
    #: from which the keeper takes the same times.
    event: str = ""
    queued: datetime | None = None
    begun: datetime | None = None
    at: datetime | None = None
    #: Of an end, and of a retry, the report that tells it, until SQL has it.
    report: Event | None = None

    @property
    def stands_still(self) -> bool:
        """Paused, and its worker says so."""
        return self.pause and self.progress is not None and self.progress.step == PAUSED_STEP

    def has_news_of(self, job: Job) -> bool:
        """Whether there is a report to be read that SQL has yet to record."""
        is_recorded = job.is_final or (job.state, job.attempt) == (self.state, self.attempt)
        return self.state in _REPORTED and bool(self.event) and not is_recorded

    @property
    def result(self) -> Any:
        """What it returned, as SQL will have it."""
        told = self.report.fields.get("result") if self.report and self.state == State.SUCCESS else None
        return from_json(told) if told else None

    @classmethod
    def parse(cls, hash: Mapping[str, str | None]) -> "Live | None":
        """None where the hash is missing or says nothing of a state."""
        try:
            return cls(
                attempt=int(hash.get("attempt") or ""),
                state=State(hash.get("state") or ""),
                worker=hash.get("worker") or "",
                progress=Progress.parse(told) if (told := hash.get("progress")) else None,
                cancel=bool(hash.get("cancel")),
                pause=bool(hash.get("pause")),
                event=hash.get("event") or "",
                queued=_moment(hash.get("queued")),
                begun=_moment(hash.get("begun")),
                at=_moment(hash.get("event")),
            )
        except ValueError:
            return None

    def told_by(self, entries: Iterable[tuple[str, Mapping[str, str]]]) -> "Live":
        """With its report, of what the stream holds under the id of its last event."""
        for stream_id, fields in entries:
            with suppress(ValueError, TypeError):
                told = decode(stream_id, fields.get("e", ""))
                if told.type == self.state:
                    return replace(self, report=told)
        return self


def _moment(stream_id: str | None) -> datetime | None:
    try:
        return moment(stream_id) if stream_id else None
    except (ValueError, OverflowError, OSError):
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
        if (live := Live.parse(dict(zip(FIELDS, values, strict=True)))) and _is_later(job, live):
            lives[job.id] = live
    try:
        lives |= breaker.call(_reports, {job.id: lives[job.id] for job in moving if _has_news(lives, job)})
    except ConnectionError:
        return Overlay({}, reachable=False)
    for job in moving:
        if job.id in lives:
            lay_over(job, lives[job.id])
    return Overlay(lives)


def _read(ids: list[str]) -> list[list[str | None]]:
    pipe = redis_client().pipeline(transaction=False)
    for job_id in ids:
        pipe.hmget(keys.run(job_id), FIELDS)
    return pipe.execute()


def _has_news(lives: dict[str, Live], job: Job) -> bool:
    return job.id in lives and lives[job.id].has_news_of(job)


def _reports(lives: dict[str, Live]) -> dict[str, Live]:
    """The few that have ended, or wait for their next attempt, and that SQL has yet to record."""
    if not lives:
        return {}
    pipe = redis_client().pipeline(transaction=False)
    for live in lives.values():
        pipe.xrange(keys.EVENTS, live.event, live.event)
    return {job: live.told_by(entries) for (job, live), entries in zip(lives.items(), pipe.execute(), strict=True)}


def _is_later(job: Job, live: Live) -> bool:
    """A final state in SQL is never left, and of the same attempt the higher rank wins (LINE 7)."""
    if job.is_final:
        return False
    newer = live.attempt > job.attempt or (live.attempt == job.attempt and RANK[live.state] >= RANK[known(job.state)])
    return newer or live.state == State.SUCCESS


def lay_over(job: Job, live: Live) -> bool:
    """Give the (unsaved) row the live values, where they are the later truth; whether they are.

    They are those that the keeper will record (keeper/plan.py): who asks before hears the same as who asks after.
    """
    if not _is_later(job, live):
        return False
    started_now = live.state == State.STARTED and (job.state != State.STARTED or live.attempt > job.attempt)
    if live.begun:
        job.started_at = live.begun
    elif started_now:
        begun = live.progress.started if live.progress else 0.0
        job.started_at = datetime.fromtimestamp(begun, UTC) if begun else None
    job.published_at = live.queued or job.published_at
    if live.has_news_of(job):
        _lay_report(job, live)
    elif live.state not in FINAL:
        job.worker = live.worker or job.worker
    job.state, job.attempt = live.state, live.report.attempt if live.report else max(live.attempt, job.attempt)
    if live.state == State.SUCCESS:
        job.error_type = job.error = ""  # of the attempt before
    return True


def _lay_report(job: Job, live: Live) -> None:
    fields = live.report.fields if live.report else {}
    job.worker = fields.get("worker") or job.worker
    job.next_check_at = None
    if live.state == State.RETRY:
        at = fields.get("next")
        job.next_check_at = datetime.fromtimestamp(at, UTC) if at else None
    else:
        job.finished_at = live.report.ended if live.report else live.at
    if live.state == State.SUCCESS:
        job.outcome = outcome_of(fields.get("result", ""))
    elif live.report:
        job.error_type, job.error = clean(fields.get("error_type"))[:200], first_line(fields.get("error"))
