"""The workers that speak at the moment, as their own records in Redis tell (worker/lease.py)."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from jobs.wire import keys
from jobs.wire.connection import breaker, redis_client

#: [s] without a beat after which a worker is shown as silent; it beats every 2 s.
SILENT_AFTER = 6.0
#: Beats of which the worst lag counts: those of the last minute.
LAG_BEATS = 30
#: Pools whose size can be changed while they run, and by how much at a time.
GROWS_BY = {"prefork": 1, "eventlet": 10, "gevent": 10}


@dataclass(frozen=True)
class Child:
    """One process of a prefork pool."""

    pid: int
    heard: float
    held: tuple[str, ...]


@dataclass(frozen=True)
class Worker:
    """One start of a worker: its main process, and the children that it has."""

    name: str
    pool: str
    host: str
    pid: int
    started: datetime
    #: Jobs at a time.
    concurrency: int
    queues: tuple[str, ...]
    #: Those of `queues` that it leaves alone, as it says itself.
    paused: tuple[str, ...]
    #: Jobs in hand.
    held: tuple[str, ...]
    #: [s] since its last beat.
    heard: float
    #: The worst delay of its event loop within a minute [ms]; None in pools that have none.
    lag: int | None = None
    children: tuple[Child, ...] = field(default=())

    @property
    def is_silent(self) -> bool:
        return self.heard >= SILENT_AFTER

    @property
    def busy(self) -> int:
        """Jobs at work. Finished ones are held until SQL has them, and would be counted beyond the pool's size."""
        return min(len(self.held), self.concurrency)

    @property
    def can(self) -> list[str]:
        """What may be asked of it: only what its pool carries out."""
        if self.pool in GROWS_BY:
            least = GROWS_BY[self.pool]
            return ["ping", "shutdown", "grow", *(["shrink"] if self.concurrency > least else [])]
        return ["ping", "shutdown"]


def workers() -> list[Worker]:
    """Every worker on record, by name. Raises ConnectionError."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for record in breaker.call(_records):
        groups.setdefault(record["incarnation"], []).append(record)
    return sorted((_worker(group) for group in groups.values()), key=lambda worker: (worker.name, worker.started))


def find(name: str) -> Worker | None:
    """The worker of that node name that was heard last. Raises ConnectionError."""
    named = [worker for worker in workers() if worker.name == name]
    return min(named, key=lambda worker: worker.heard) if named else None


def _records() -> list[dict[str, Any]]:
    client = redis_client()
    names = sorted(client.smembers(keys.WORKERS))
    pipe = client.pipeline(transaction=False)
    for name in names:
        pipe.hmget(keys.worker(name), "info", "held")
        pipe.pttl(keys.worker(name))
    answers = pipe.execute()
    found = []
    for (info, held), left in zip(answers[::2], answers[1::2], strict=True):
        if info is not None:  # else it has expired: long gone
            heard = max(0.0, keys.WORKER_EXPIRES - left / 1000)
            found.append({**json.loads(info), "held": json.loads(held or "[]"), "heard": heard})
    return found


def _worker(group: list[dict[str, Any]]) -> Worker:
    """Of the records of one incarnation; where the main process is gone, what its children say has to do."""
    main = next((record for record in group if record.get("parent") is None), group[0])
    lags = main.get("lags") or []
    return Worker(
        name=main["node"],
        pool=main["pool"],
        host=main["host"],
        pid=main["pid"],
        started=datetime.fromtimestamp(main["started"], UTC),
        concurrency=main["concurrency"],
        queues=tuple(main["queues"]),
        paused=tuple(main.get("paused", ())),
        held=tuple(main["held"]),
        heard=main["heard"],
        lag=max(lags[-LAG_BEATS:]) if lags else None,
        children=tuple(
            Child(record["pid"], record["heard"], tuple(record["held"])) for record in group if record is not main
        ),
    )
