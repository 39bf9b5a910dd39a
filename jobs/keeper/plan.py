"""From events to rows: what a batch changes, worked out in memory. Nothing here talks to SQL or Redis."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from typing import Any

from jobs.core.buckets import bucket_of
from jobs.core.merge import Standing, attempt_yields
from jobs.core.outcome import clean, first_line, outcome_of
from jobs.core.retry import MOST_ATTEMPTS
from jobs.core.signature import signature_of
from jobs.core.states import FINAL, State
from jobs.keeper.verdict import Verdict, after_loss
from jobs.wire import events
from jobs.wire.events import Event

#: [s] after publishing until dispatch first asks whether the message still lies somewhere.
CHECK_PUBLISHED_AFTER = 15.0
#: [s] for which a message that no worker understands is sent again, from when the first one told so (LINE 18).
UNKNOWN_FOR = 600.0


#: Of a job's row what pages show and its indices follow. Being published changes none of it.
SHOWN = ("state", "attempt", "assumed", "worker", "outcome", "error_type", "error", "started_at", "finished_at")
_shown = attrgetter(*SHOWN)


@dataclass
class JobChange:
    """A job's row as a batch finds it, then as it leaves it. params: as JSON text."""

    seq: int
    id: str
    kind: str
    is_kind: bool
    owner: int | None
    queue: str
    state: str
    attempt: int
    max_attempts: int
    first_attempt: int
    assumed: bool
    cancel_requested_at: datetime | None
    search: str
    params: str
    worker: str = ""
    outcome: str = ""
    error_type: str = ""
    error: str = ""
    published_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    changed: datetime | None = None
    next_check_at: datetime | None = None
    workflow: str | None = None
    sending: int = 1
    schedule: int | None = None
    touched: bool = False
    #: Of SHOWN what the batch found.
    found: tuple[Any, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.found = _shown(self)

    @property
    def is_changed(self) -> bool:
        """Whether a batch did more to it than to publish it."""
        return _shown(self) != self.found

    @property
    def signature(self) -> str:
        """Only what has failed has one: the page Failures finds it by that."""
        return signature_of(self.error_type, self.error) if self.state == State.FAILURE else ""

    @property
    def standing(self) -> Standing:
        return Standing(self.attempt, self.state, self.assumed)


@dataclass
class AttemptChange:
    """An attempt's row; None fields keep what SQL has."""

    number: int
    state: str | None = None
    worker: str = ""
    pid: int | None = None
    queued_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    next_retry_at: datetime | None = None
    error_type: str = ""
    error: str = ""
    traceback: str = ""
    memory: int | None = None
    cpu_seconds: float | None = None
    message: str = ""
    touched: bool = False


@dataclass
class Count:
    """What a batch adds to one minute of one queue."""

    entered: int = 0
    finished: int = 0
    failed: int = 0


@dataclass
class Plan:
    """All that one batch writes."""

    jobs: dict[str, JobChange] = field(default_factory=dict)
    #: (job id, number) -> row
    attempts: dict[tuple[str, int], AttemptChange] = field(default_factory=dict)
    #: job id -> (the event that ended it, the whole result as JSON text)
    results: dict[str, Event] = field(default_factory=dict)
    logs: list[Event] = field(default_factory=list)
    artifacts: list[Event] = field(default_factory=list)
    ledger: dict[tuple[str, str], Event] = field(default_factory=dict)
    incidents: dict[str, Event] = field(default_factory=dict)
    #: Jobs that a loss has ended: Redis is told before SQL.
    settled: list[tuple[JobChange, Verdict]] = field(default_factory=list)

    #: Jobs whose call is told anew, since their id was sent again or since they were known as waiting alone: job id ->
    #: the event that tells.
    sendings: dict[str, Event] = field(default_factory=dict)
    #: (job id, tag of a message, its attempt) where Redis, which had forgotten the job, has another number.
    renumbered: list[tuple[str, str, int]] = field(default_factory=list)

    #: (start of the minute, queue) -> what is added to it
    counts: dict[tuple[datetime, str], Count] = field(default_factory=dict)
    #: (start of the minute, "wait" or "run", bucket) -> attempts that are added
    timings: dict[tuple[datetime, str, int], int] = field(default_factory=dict)

    def attempt(self, job: str, number: int) -> AttemptChange:
        return self.attempts.setdefault((job, number), AttemptChange(number))

    def lost_before(self, job: JobChange) -> int:
        """Attempts of the present cycle that were lost, the current one left out."""
        return sum(
            1
            for (owner, number), attempt in self.attempts.items()
            if owner == job.id and job.first_attempt <= number < job.attempt and attempt.state == State.LOST
        )

    def apply(self, event: Event) -> None:
        """Merge one event. Of an event that says nothing new, nothing remains."""
        if event.type == events.BLOCKED:
            self.incidents[event.fields["incident"]] = event
            return
        job = self.jobs.get(event.job)
        if job is None:
            return  # pruned meanwhile, or never accepted here
        event = self._numbered(job, event)
        match event.type:
            case events.LOG:
                self.logs.append(event)
            case events.ARTIFACT:
                self.artifacts.append(event)
            case events.LEDGER:
                self.ledger[event.job, event.fields["key"]] = event
            case events.QUEUED:
                self._queued(job, event)
            case events.RETURNED:
                self._returned(job, event)
            case events.PROGRESS:
                pass
            case _:
                self._state(job, event)

    def _numbered(self, job: JobChange, event: Event) -> Event:
        """The event with the number that its attempt has here: what Celery code sent is known by its message.

        Redis forgets a job a day after its end, SQL does not. Of an id that is sent again then, Redis counts from 1.
        """
        message = event.fields.get("m")
        if not message:
            return event
        known = {row.message: number for (owner, number), row in self.attempts.items() if owner == job.id}
        number = known.get(message)
        if number is None:
            number = event.attempt
            there = self.attempts.get((job.id, number))
            if (there.message or there.state in FINAL) if there else (job.state in FINAL and number <= job.attempt):
                number = max([job.attempt, *known.values()]) + 1
                self.renumbered.append((job.id, message, number))
            self.attempt(job.id, number).message = message
        return event if number == event.attempt else replace(event, attempt=number)

    def _sent_again(self, job: JobChange, event: Event) -> None:
        """A message of an id whose job has ended: the job goes on with it, and its former end is history."""
        job.sending = job.first_attempt = job.attempt = event.attempt
        job.max_attempts = event.attempt
        job.state, job.assumed, job.changed, job.touched = State.PENDING, False, event.at, True
        job.worker = job.outcome = job.error_type = job.error = ""
        job.started_at = job.finished_at = job.published_at = job.cancel_requested_at = job.next_check_at = None
        job.queue = str(event.fields.get("queue") or job.queue)[:100]
        self.sendings[job.id] = event

    def _queued(self, job: JobChange, event: Event) -> None:
        attempt = self.attempt(event.job, event.attempt)
        if attempt.queued_at is None:
            attempt.queued_at, attempt.touched = event.at, True
            self._count(job, event).entered += 1
        if attempt.state is None:
            attempt.state = State.PENDING
        now_queued = Standing(event.attempt, State.PENDING)
        if event.fields.get("foreign"):
            return  # where its message lies is Celery's to know: dispatch sends no other
        if now_queued.order >= job.standing.order:
            job.attempt, job.state, job.assumed = event.attempt, State.PENDING, False
            job.published_at = job.changed = event.at
            job.next_check_at = event.at + timedelta(seconds=0 if job.cancel_requested_at else CHECK_PUBLISHED_AFTER)
            job.touched = True

    def _returned(self, job: JobChange, event: Event) -> None:
        if job.standing.order > Standing(event.attempt, State.PENDING).order:
            return
        if event.at.timestamp() - event.fields.get("since", event.at.timestamp()) < UNKNOWN_FOR:
            job.next_check_at, job.touched = event.at + timedelta(seconds=10), True
            return
        text = f"no worker knows {job.kind}: start one with this version of the code"
        failed = Event(
            event.id,
            State.FAILURE,
            event.job,
            event.attempt,
            event.user,
            {"error_type": "NotRegistered", "error": text},
        )
        self.settled.append((job, Verdict(State.FAILURE, "NotRegistered", text)))
        self._state(job, failed)

    def _state(self, job: JobChange, event: Event) -> None:
        assumed = bool(event.fields.get("assumed"))
        state = State(event.type)
        self._attempt_state(event, State.LOST if assumed else state)
        if event.fields.get("m") and event.attempt > job.attempt and job.state in FINAL:
            self._sent_again(job, event)
        if event.attempt < job.sending:
            return  # of an earlier message of the same id, whatever became of it
        if state == State.STARTED and job.state == State.PENDING and "args" in event.fields:
            self.sendings.setdefault(job.id, event)  # it was told as waiting, perhaps without its arguments
            job.queue = str(event.fields.get("queue") or job.queue)[:100]
        if most := event.fields.get("max_attempts"):
            job.max_attempts = max(job.max_attempts, whole(most, 1, MOST_ATTEMPTS - job.sending) + job.sending - 1)
        if state == State.STARTED and event.attempt == job.attempt and job.started_at is None:
            job.started_at, job.touched = event.at, True  # also where its end was heard first
            job.worker = job.worker or event.fields.get("worker", "")
        reported = Standing(event.attempt, state, assumed)
        if state in FINAL and job.standing == reported:
            self.results[job.id] = event  # a page that cancelled has set the row; the TaskResult is written here
        if not job.standing.yields_to(reported):
            return
        job.attempt, job.assumed, job.changed, job.touched = event.attempt, assumed, event.at, True
        if state == State.LOST:
            self._lost(job, event)
            return
        job.state = state
        job.worker = event.fields.get("worker") or job.worker
        if state == State.STARTED:
            job.started_at = event.at
            job.next_check_at = event.at if job.cancel_requested_at else None
        elif state == State.RETRY:
            self._error(job, event)
            job.next_check_at = _retry_time(event)
        elif state in FINAL:
            self._final(job, event)

    def _attempt_state(self, event: Event, state: State) -> None:
        attempt = self.attempt(event.job, event.attempt)
        if state == State.STARTED and attempt.started_at is None:
            attempt.started_at, attempt.touched = event.at, True
            attempt.worker = attempt.worker or event.fields.get("worker", "")
            if attempt.queued_at:
                self._time("wait", attempt.queued_at, event.at)
            attempt.pid = attempt.pid or event.fields.get("pid")
        if not attempt_yields(attempt.state, state):
            return
        attempt.state, attempt.touched = state, True
        fields = event.fields
        attempt.worker = fields.get("worker") or attempt.worker
        attempt.pid = fields.get("pid") or attempt.pid
        if state != State.STARTED:
            if state != State.LOST and attempt.started_at and attempt.finished_at is None:
                self._time("run", attempt.started_at, event.at)
            attempt.finished_at = event.at
            attempt.error_type = clean(fields.get("error_type", ""))[:200]
            attempt.error = clean(fields.get("error", ""))
            attempt.traceback = clean(fields.get("traceback", ""))
            attempt.memory = fields.get("memory", attempt.memory)
            attempt.cpu_seconds = fields.get("cpu", attempt.cpu_seconds)
            attempt.next_retry_at = _retry_time(event) if state == State.RETRY else None

    def _lost(self, job: JobChange, event: Event) -> None:
        verdict = after_loss(job, self.lost_before(job))
        job.error_type, job.error = verdict.error_type, verdict.error[:300]
        job.assumed = True
        job.state = verdict.state
        if verdict.state == State.RETRY:
            job.next_check_at = event.at + timedelta(seconds=verdict.delay)
            return
        job.finished_at, job.next_check_at = event.at, None
        self._count_end(job, event)
        self.settled.append((job, verdict))
        self.results[job.id] = Event(
            event.id, verdict.state, event.job, event.attempt, event.user,
            {**event.fields, "error_type": verdict.error_type, "error": verdict.error},
        )  # fmt: skip

    def _final(self, job: JobChange, event: Event) -> None:
        job.finished_at, job.next_check_at = event.ended, None
        if event.type == State.SUCCESS:
            job.error_type = job.error = ""
            job.outcome = outcome_of(event.fields.get("result", ""))
        else:
            self._error(job, event)
        self._count_end(job, event)
        self.results[job.id] = event

    def _count(self, job: JobChange, event: Event) -> Count:
        return self.counts.setdefault((_minute(event.at), job.queue), Count())

    def _time(self, measure: str, begun: datetime, ended: datetime) -> None:
        key = _minute(ended), measure, bucket_of((ended - begun).total_seconds())
        self.timings[key] = self.timings.get(key, 0) + 1

    def _count_end(self, job: JobChange, event: Event) -> None:
        count = self._count(job, event)
        if job.state == State.FAILURE:
            count.failed += 1
        else:
            count.finished += 1

    @staticmethod
    def _error(job: JobChange, event: Event) -> None:
        job.error_type = clean(event.fields.get("error_type", ""))[:200]
        job.error = first_line(event.fields.get("error", ""))


def whole(number: Any, least: int, most: int) -> int:
    """The whole number nearest to what a task's own code says, infinity included."""
    return int(min(max(number or 0, least), most))


@lru_cache(maxsize=4_096)  # of one event for several counts
def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def _retry_time(event: Event) -> datetime | None:
    """When the next attempt is due; None where Celery's own Task.retry has published it already."""
    at = event.fields.get("next")
    return datetime.fromtimestamp(at, UTC) if at else None
