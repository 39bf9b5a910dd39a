"""Finding attempts whose worker vanished. Judged by this observer's own clock (LINE 4)."""

import logging
import time
from dataclasses import dataclass, field

from jobs.core.states import State
from jobs.models import Job
from jobs.wire import events, keys, scripts, workers
from jobs.wire.connection import redis_client
from jobs.wire.workers import GONE_AFTER

log = logging.getLogger(__name__)

#: [s] that a running job must be missing from every living process: a claim is older than the beat that names it.
MISSING_FOR = 5.0


@dataclass
class Watch:
    """What this observer has seen of the workers, and since when it could see at all."""

    sees_since: float | None = None
    #: process -> (beat, when it last changed)
    beats: dict[str, tuple[str, float]] = field(default_factory=dict)
    #: (job id, attempt) -> since when nobody holds it
    missing: dict[tuple[str, int], float] = field(default_factory=dict)

    def blind(self) -> None:
        """Redis could not be read: what happened meanwhile is unknown, so the lease starts anew for everybody."""
        self.sees_since = None
        self.missing.clear()

    def held(self, processes: dict[str, tuple[str, list[str]]], now: float) -> set[str] | None:
        """Ids of jobs that living processes hold; None while it is too early to judge.

        processes: name -> (beat, ids that it holds), as read at `now` [s, monotonic].
        """
        if self.sees_since is None:
            self.sees_since = now
            self.beats = {name: (beat, now) for name, (beat, _) in processes.items()}
        for name, (beat, _) in processes.items():
            if self.beats.get(name, ("", 0.0))[0] != beat:
                self.beats[name] = (beat, now)
        self.beats = {name: seen for name, seen in self.beats.items() if name in processes}
        if now - self.sees_since < GONE_AFTER:
            return None
        alive = [ids for name, (_, ids) in processes.items() if now - self.beats[name][1] < GONE_AFTER]
        return {job for ids in alive for job in ids}

    def lost(self, running: list[tuple[str, int]], held: set[str], now: float) -> list[tuple[str, int]]:
        """Of the running (job id, attempt), those that nobody has held for MISSING_FOR."""
        absent = [attempt for attempt in running if attempt[0] not in held]
        self.missing = {attempt: self.missing.get(attempt, now) for attempt in absent}
        return [attempt for attempt, since in self.missing.items() if now - since >= MISSING_FOR]


def step(watch: Watch) -> int:
    """Report what was lost; answers how many. Raises redis errors, after which the watch is blind."""
    now = time.monotonic()
    try:
        processes = read_processes()
    except Exception:
        watch.blind()
        raise
    held = watch.held(processes, now)
    if held is None:
        return 0
    running = list(Job.objects.filter(state=State.STARTED).values_list("id", "attempt")[:20_000])
    lost = watch.lost(running, held, now)
    for job_id, attempt in lost:
        report_lost(job_id, attempt)
    return len(lost)


def read_processes() -> dict[str, tuple[str, list[str]]]:
    """Every worker process on record: name -> (beat, ids of the jobs it holds). Raises redis errors."""
    return {record.name: (record.beat, list(record.held)) for record in workers.records()}


def report_lost(job_id: str, attempt: int) -> None:
    """The event LOST; the script refuses where the attempt has ended meanwhile."""
    client = redis_client()
    worker, user = client.hmget(keys.run(job_id), "worker", "user")
    log.warning("%s, attempt %d: its worker %s has vanished", job_id, attempt, worker or "")
    event = events.encode(
        State.LOST, job_id, attempt, user or "", worker=worker or "", error_type="Lost", error="The worker vanished."
    )
    scripts.call(
        client,
        "report",
        [keys.run(job_id), keys.EVENTS, keys.result(job_id), keys.CANCELS, keys.PAUSES],
        [attempt, "keeper", "LOST", "lost", event, "", scripts.KEEP_FINAL, scripts.KEEP_FINAL, job_id],
    )
