"""What waits in each queue, all its priority lists counted."""

import json
import time
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count

from jobs.core.kind import POOLS
from jobs.core.priorities import NAMES, STEPS
from jobs.core.registry import pools_in_use
from jobs.core.states import State
from jobs.fleet import throughput
from jobs.fleet.pause import Pause, paused_queues
from jobs.fleet.workers import Worker
from jobs.models import Job
from jobs.wire import keys
from jobs.wire.connection import breaker, redis_client
from jobs.wire.publish import PUBLISHED_HEADER

#: Running jobs are counted up to here.
MOST_RUNNING = 20_000


@dataclass(frozen=True)
class Queue:
    name: str
    #: Messages by priority: {"urgent": 0, "high": 0, "normal": 12, "low": 2}.
    by_priority: dict[str, int]
    #: [s] that the oldest message has waited; None: nothing waits, or it does not say.
    oldest: float | None
    running: int
    #: Jobs a minute, over the last 60 s.
    entered: float
    left: float
    #: Workers that listen to it, or would if it were not paused. Not the silent: they beat over the same Redis that
    #: messages come from, and so take none.
    workers: tuple[Worker, ...]
    pause: Pause | None = None

    @property
    def waiting(self) -> int:
        return sum(self.by_priority.values())

    @property
    def still_taking(self) -> tuple[str, ...]:
        """While it is paused: names of those that have not yet said that they leave it alone."""
        if self.pause is None:
            return ()
        return tuple(worker.name for worker in self.workers if self.name not in worker.paused)

    @property
    def can(self) -> list[str]:
        return ["resume"] if self.pause else ["pause"]


def queues(workers: list[Worker]) -> list[Queue]:
    """The site's own queues, those that a worker listens to, and those that are paused. Raises ConnectionError."""
    paused = paused_queues()
    names = _names(workers, paused)
    waiting = breaker.call(_waiting, names)
    running = _running()
    rates = throughput.rates()
    return [
        Queue(
            name=name,
            by_priority=waiting[name][0],
            oldest=waiting[name][1],
            running=running.get(name, 0),
            entered=rates.get(name, (0.0, 0.0))[0],
            left=rates.get(name, (0.0, 0.0))[1],
            workers=tuple(worker for worker in workers if name in worker.queues and not worker.is_silent),
            pause=paused.get(name),
        )
        for name in names
    ]


def is_known(name: str, workers: list[Worker]) -> bool:
    return name in _names(workers, paused_queues())


def _names(workers: list[Worker], paused: dict[str, Pause]) -> list[str]:
    configured = [name for more in getattr(settings, "JOBSITE_QUEUES", {}).values() for name in more]
    heard = [queue for worker in workers for queue in worker.queues]
    pools = [pool for pool in POOLS if pool in {*pools_in_use(), *configured, *heard, *paused}]
    return [*pools, *sorted({*configured, *heard, *paused} - set(POOLS))]


def _waiting(names: list[str]) -> dict[str, tuple[dict[str, int], float | None]]:
    """Of each queue the depth by priority, and the age of its oldest message [s]."""
    pipe = redis_client().pipeline(transaction=False)
    for name in names:
        for step in STEPS:
            pipe.llen(keys.queue(name, step))
            pipe.lindex(keys.queue(name, step), -1)
    answers = iter(pipe.execute())
    found = {}
    for name in names:
        depths, published = {}, []
        for step in STEPS:
            depths[NAMES[step]] = next(answers)
            published.append(_published(next(answers)))
        known = [moment for moment in published if moment]
        found[name] = (depths, max(0.0, time.time() - min(known)) if known else None)
    return found


def _published(message: str | None) -> float | None:
    """When a message was pushed [s since 1970]; None where it does not say, as other people's do not."""
    try:
        return json.loads(message)["headers"][PUBLISHED_HEADER] / 1000 if message else None
    except (ValueError, KeyError, TypeError):
        return None


def _running() -> dict[str, int]:
    some = Job.objects.filter(state=State.STARTED).values("seq")[:MOST_RUNNING]
    counted = Job.objects.filter(seq__in=some).order_by().values_list("queue").annotate(number=Count("seq"))
    return dict(counted)
