"""Keeps one worker busy and reads from the line's own stream what became of it."""

import json
import time
import uuid
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

from jobs.core.states import State
from jobs.sweep.tasks import TASKS
from jobs.wire import keys
from jobs.wire.connection import redis_client
from jobs.wire.publish import Message, publish

#: [s] that a worker has to end its first task.
PATIENCE = 30.0
#: [s] after the first end for which those that began with it are waited for.
WARM = 1.0
QUEUE = "sweep"


class NothingEnded(Exception):
    """The worker ended no task in all of PATIENCE."""


@dataclass
class Figures:
    """What a pool did in one measured window. `times`: [ms] from the claim of each task to its end."""

    seconds: float
    times: list[float] = field(default_factory=list)
    failed: int = 0

    @property
    def rate(self) -> float:
        """Tasks ended per second."""
        return len(self.times) / self.seconds

    def percentile(self, percent: int) -> float:
        """[ms]"""
        if len(self.times) < 2:
            return self.times[0] if self.times else float("nan")
        return quantiles(self.times, n=100, method="inclusive")[percent - 1]


class Load:
    """Tasks of one work, always twice as many in flight as the worker has places, so that none of them idles."""

    def __init__(self, work: str, params: dict[str, Any], places: int):
        self._task, self._params, self._places = TASKS[work], params, places
        self._client = redis_client()
        self._started: dict[str, float] = {}
        self._last = "0-0"

    def run(self, seconds: float) -> Figures:
        """Warm up until the first of the tasks that begin together have ended, then measure. Raises NothingEnded."""
        self._last = next(iter(self._client.xrevrange(keys.EVENTS, count=1)), ("0-0", {}))[0]
        self._publish(2 * self._places)
        warm = Figures(PATIENCE)
        until = time.monotonic() + PATIENCE
        while not warm.times and not warm.failed:
            if time.monotonic() > until:
                raise NothingEnded(f"no task ended within {PATIENCE:g} s")
            self._read(warm)
        # The rest of them is no part of the window: it would count a whole round of the pool that it did not wait for.
        until = time.monotonic() + WARM
        while len(warm.times) + warm.failed < self._places and time.monotonic() < until:
            self._read(warm)
        begun = time.monotonic()
        figures = Figures(seconds)
        while (passed := time.monotonic() - begun) < seconds:
            self._read(figures)
        figures.seconds = passed
        return figures

    def drain(self, seconds: float) -> None:
        """Take back what still waits, and let what runs end, for so long."""
        self._client.delete(keys.queue(QUEUE, 6))
        until = time.monotonic() + seconds
        while self._started and time.monotonic() < until:
            self._read(Figures(seconds), refill=False)

    def _publish(self, count: int) -> None:
        publish(
            Message(
                job=uuid.uuid4().hex, task=self._task, attempt=1, queue=QUEUE, priority=6, kwargs=self._params
            )
            for _ in range(count)
        )  # fmt: skip

    def _read(self, figures: Figures, *, refill: bool = True) -> None:
        """One look at the stream; as many new tasks as it tells of ended ones."""
        ended = 0
        for _, entries in self._client.xread({keys.EVENTS: self._last}, count=5000, block=100):
            for entry, fields in entries:
                self._last = entry
                ended += self._note(figures, int(entry.split("-")[0]), json.loads(fields["e"]))
        # No keeper runs here: this tells the worker that its reports are recorded, so that it keeps none of them.
        self._client.set(keys.RECORDED, self._last)
        self._client.xtrim(keys.EVENTS, minid=self._last)
        if ended and refill:
            self._publish(ended)

    def _note(self, figures: Figures, at: int, event: dict[str, Any]) -> bool:
        """Whether the event is a task's end. at: Redis' own time [ms]."""
        if event["t"] == State.STARTED:
            self._started[event["id"]] = at
        if event["t"] not in (State.SUCCESS, State.FAILURE):
            return False
        started = self._started.pop(event["id"], None)
        if event["t"] == State.FAILURE:
            figures.failed += 1
        elif started is not None:
            figures.times.append(at - started)
        return True
