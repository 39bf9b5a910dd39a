"""Who keeps the event loop waiting: one green thread that computes starves every other of its worker.

A green pulse notes that the loop turns; a thread of the operating system's own watches the pulse and, when it stays
away, reads from the main thread's frames which attempt is at work, in which file and line. The lease is renewed by yet
another real thread (lease.py), so a starved worker is seen as busy, never as dead.
"""

import json
import logging
import sys
import sysconfig
import time
import uuid
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings

from jobs.wire import events, keys
from jobs.worker import guard
from jobs.worker.execution import Execution, process
from jobs.worker.rawredis import RawRedis, RedisError
from jobs.worker.real import original

log = logging.getLogger(__name__)

#: [s] between two pulses, and two looks at them: both together cost well under 1 % of a core.
PULSE = 0.05
#: [s] after which an incident that still lasts is told of again.
TELL_EVERY = 2.0
_LIBRARY = (sysconfig.get_path("stdlib"), sysconfig.get_path("purelib"))
_GUARD_FILE = guard.__file__


@dataclass
class Incident:
    """One standstill of the loop. `seen` counts the places where it was found at work."""

    since: float
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    told: float = 0.0
    seen: Counter[tuple[Execution | None, str]] = field(default_factory=Counter)

    def culprit(self) -> tuple[Execution | None, str]:
        """The attempt that was seen most, and where; (None, …) where it was no task's doing."""
        tasks = Counter({place: count for place, count in self.seen.items() if place[0] is not None})
        return (tasks or self.seen or Counter([(None, "")])).most_common(1)[0][0]


class LoopGuard:
    """Watches the hub of this process. `lags` are the worst delays [ms] of each of the last 60 beats."""

    def __init__(self, threshold: float):
        self._threshold = threshold
        self._pulse = time.monotonic()
        self._main = original("_thread").get_ident()
        self._incident: Incident | None = None
        self._worst = 0.0
        self._raw = RawRedis(settings.REDIS_URL)
        self.lags: deque[int] = deque(maxlen=60)

    def start(self) -> None:
        """In the main thread of a green worker."""
        original("_thread").start_new_thread(self._watch, ())

    def beat(self) -> None:
        """The green thread: as long as the loop turns, the pulse is young."""
        while True:
            self._pulse = time.monotonic()
            time.sleep(PULSE)  # patched: yields to the hub

    def take_lag(self) -> list[int]:
        """Close the present beat; the lags of the last 60, in ms."""
        self.lags.append(round(self._worst * 1000))
        self._worst = 0.0
        return list(self.lags)

    def _watch(self) -> None:
        sleep = original("time").sleep
        while True:
            sleep(PULSE)
            try:
                self._look()
            except Exception:
                # A guard that dies guards nothing, and nobody would notice.
                log.exception("the loop guard goes on after an error")

    def _look(self) -> None:
        now = time.monotonic()
        late = now - self._pulse - PULSE
        self._worst = max(self._worst, late)
        if self._incident and self._pulse > self._incident.since:
            self._end(self._incident)
        if late < self._threshold:
            return
        if self._incident is None:
            self._incident = Incident(self._pulse)
        place = self._at_work()
        if place:
            self._incident.seen[place] += 1
        if now - max(self._incident.told, self._incident.since) >= TELL_EVERY:
            self._tell(self._incident, now - self._incident.since)

    def _end(self, incident: Incident) -> None:
        self._incident = None
        if incident.seen:
            self._tell(incident, self._pulse - incident.since, ended=True)

    def _at_work(self) -> tuple[Execution | None, str] | None:
        """(attempt, "file:line") of what the main thread does; None where it only waits for work."""
        frame = sys._current_frames().get(self._main)
        if frame is None or _is_hub_waiting(frame):
            return None
        return _execution_of(frame), _place_of(frame)

    def _tell(self, incident: Incident, seconds: float, *, ended: bool = False) -> None:
        """An event for the keeper, and a counter for /metrics; the same incident told again replaces itself."""
        incident.told = time.monotonic()
        execution, where = incident.culprit()
        job, attempt, user = (execution.job, execution.attempt, execution.user) if execution else ("", 0, "")
        task = execution.task if execution else ""
        if ended:
            log.warning("%s held the event loop for %.1f s (%s)", where, seconds, job or "no task")
        event = events.encode(
            events.BLOCKED, job, attempt, user,
            incident=incident.id, seconds=round(seconds, 3), where=where, worker=process.node, task=task,
        )  # fmt: skip
        commands: list[tuple[Any, ...]] = [("XADD", keys.EVENTS, "*", "e", event)]
        if ended:
            commands.append(("HINCRBY", keys.BLOCKED, json.dumps([process.node, task]), 1))
        try:
            self._raw.pipeline(commands)
        except (OSError, RedisError) as error:
            log.info("an incident could not be told: %s", error)


def _is_hub_waiting(frame: FrameType) -> bool:
    """The loop sleeps in its poll: the whole process was stopped or starved, and no code of ours is to blame."""
    return frame.f_code.co_name in ("do_poll", "wait") and "hubs" in frame.f_code.co_filename


def _execution_of(frame: FrameType | None) -> Execution | None:
    while frame is not None:
        if frame.f_code.co_filename == _GUARD_FILE and "execution" in frame.f_locals:
            found: Execution = frame.f_locals["execution"]
            return found
        frame = frame.f_back
    return None


def _place_of(frame: FrameType) -> str:
    """The innermost line outside the standard library and installed packages, else the innermost of all."""
    own: FrameType | None = frame
    while own is not None and own.f_code.co_filename.startswith(_LIBRARY):
        own = own.f_back
    if own is None or own.f_code.co_filename == _GUARD_FILE:
        own = frame
    path = Path(own.f_code.co_filename)
    return f"{'/'.join(path.parts[-2:])}:{own.f_lineno}"
