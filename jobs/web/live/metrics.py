"""GET /metrics: what a monitoring system keeps a record of, in Prometheus' text format."""

import asyncio
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import redis.exceptions
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from redis.asyncio import Redis

from jobs.core.kind import POOLS
from jobs.core.priorities import NAMES, STEPS
from jobs.core.states import UNFINISHED
from jobs.web.live.health import Health
from jobs.web.live.sql import in_sql
from jobs.wire import keys

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
#: Environment variable of prometheus_client: the folder in which processes of one server put their counts.
FOLDER = "PROMETHEUS_MULTIPROC_DIR"
#: Jobs of a state are counted up to here, so that a scrape costs the same whatever waits.
_COUNT_UP_TO = 100_000
#: [s] for which a count is given again.
_FRESH = 5.0

Sample = tuple[tuple[str, ...], float]


class Metrics:
    """What the web processes of this machine did, and what is read of the rest at a scrape.

    Several processes share a port, and any of them answers: prometheus_client keeps their counts in files, which the
    one that answers adds up, where its PROMETHEUS_MULTIPROC_DIR names a folder (server.py).
    """

    def __init__(self, client: "Redis", health: Health):
        self.redis, self.health = client, health
        self.registry = CollectorRegistry()
        requests = Counter(
            "jobsite_http_requests", "Requests answered, by what answered.", ["route", "status"], registry=self.registry
        )
        seconds = Histogram(
            "jobsite_http_request_seconds",
            "Time to answer, without event streams and long polls [s].",
            ["route"],
            registry=self.registry,
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
        )
        self._requests, self._seconds = requests, seconds
        #: Open event streams.
        self.streams = Gauge(
            "jobsite_sse_clients", "Open event streams.", registry=self.registry, multiprocess_mode="livesum"
        )
        # Finding a labelled child costs more than counting does.
        self._children: dict[tuple[str, int], Any] = {}
        self._timers: dict[str, Any] = {}
        self._read: list[GaugeMetricFamily | CounterMetricFamily] = []
        self._read_at = float("-inf")
        self._lock = asyncio.Lock()
        if FOLDER in os.environ:
            self.registry = CollectorRegistry()
            MultiProcessCollector(self.registry)
        self.registry.register(self)

    def count(self, route: str, status: int, seconds: float | None) -> None:
        """One request answered. `seconds` None: it was held open on purpose."""
        child = self._children.get((route, status))
        if child is None:
            child = self._children[route, status] = self._requests.labels(route, str(status))
        child.inc()
        if seconds is not None:
            timer = self._timers.get(route)
            if timer is None:
                timer = self._timers[route] = self._seconds.labels(route)
            timer.observe(seconds)

    async def text(self) -> bytes:
        """The whole page, with what was read of SQL and Redis within the last seconds."""
        async with self._lock:
            if time.monotonic() - self._read_at > _FRESH:
                self._read = await self._gather()
                self._read_at = time.monotonic()
        _forget_dead_processes()
        return generate_latest(self.registry)

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """What is not counted here but read: called by the registry."""
        yield from self._read

    async def _gather(self) -> list[GaugeMetricFamily | CounterMetricFamily]:
        counts = await in_sql(_unfinished)
        text = f"Unfinished jobs by state, counted up to {_COUNT_UP_TO}."
        found: list[Any] = [
            _gauge("jobsite_jobs", text, ["state"], [((state,), count) for state, count in counts.items()])
        ]
        try:
            found += await self._of_redis()
            up = 1.0
        except (redis.exceptions.RedisError, OSError):
            up = 0.0
        return [*found, _gauge("jobsite_redis_up", "Whether Redis answers.", [], [((), up)])]

    async def _of_redis(self) -> list[GaugeMetricFamily | CounterMetricFamily]:
        workers = await self.health.workers()
        queues = sorted({*POOLS, *(queue for worker in workers for queue in worker.queues)})
        lists = [(queue, step) for queue in queues for step in STEPS]
        async with self.redis.pipeline(transaction=False) as pipe:
            for queue, step in lists:
                pipe.llen(keys.queue(queue, step))
            pipe.xlen(keys.EVENTS)
            pipe.xlen(keys.DEAD)
            pipe.hgetall(keys.BLOCKED)
            pipe.hgetall(keys.RECORDED_OF)
            *depths, stream, dead, blocked, recorded = await pipe.execute()
        by_node: dict[tuple[str, ...], float] = {}
        for worker in workers:
            by_node[worker.node, worker.pool] = by_node.get((worker.node, worker.pool), 0) + worker.held
        return [
            _gauge(
                "jobsite_queue_messages",
                "Messages that wait in Redis.",
                ["queue", "priority"],
                [((queue, NAMES[step]), depth) for (queue, step), depth in zip(lists, depths, strict=True)],
            ),
            _gauge("jobsite_stream_entries", "Entries of the event stream.", [], [((), stream)]),
            _gauge("jobsite_dead_entries", "Events that could not be recorded.", [], [((), dead)]),
            _gauge("jobsite_keeper_lag_seconds", "How far SQL is behind.", [], [((), await self.health.lag())]),
            _blocked(blocked),
            _recorded(recorded),
            _gauge(
                "jobsite_worker_jobs",
                "Jobs that a live worker holds.",
                ["worker", "pool"],
                [(labels, held) for labels, held in sorted(by_node.items())],
            ),
        ]


def _blocked(counts: dict[str, str]) -> CounterMetricFamily:
    family = CounterMetricFamily(
        "jobsite_loop_blocked", "Times that a task held the event loop of a worker.", labels=["worker", "task"]
    )
    for place, count in sorted(counts.items()):
        family.add_metric(json.loads(place), float(count))
    return family


def _recorded(counts: dict[str, str]) -> CounterMetricFamily:
    family = CounterMetricFamily("jobsite_events", "Events that SQL has, by type.", labels=["type"])
    for name, count in sorted(counts.items()):
        family.add_metric([name], float(count))
    return family


def _forget_dead_processes() -> None:
    """A process that was killed leaves its open streams counted."""
    files = Path(os.environ[FOLDER]).glob("gauge_live*_*.db") if FOLDER in os.environ else ()
    for file in files:
        process = int(file.stem.rpartition("_")[2])
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            mark_process_dead(process)


def _gauge(name: str, text: str, labels: list[str], samples: list[Sample]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in samples:
        family.add_metric(list(values), value)
    return family


def _unfinished() -> dict[str, int]:
    from jobs.models import Job

    return {
        str(state): Job.objects.filter(state=state).order_by().values("seq")[:_COUNT_UP_TO].count()
        for state in sorted(UNFINISHED)
    }
