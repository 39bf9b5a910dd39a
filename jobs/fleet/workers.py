"""The workers that speak at the moment, as their own records in Redis tell (worker/lease.py)."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from jobs.wire.connection import breaker
from jobs.wire.workers import SILENT_AFTER, Record, records, texts

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
    groups: dict[str, list[Record]] = {}
    for record in breaker.call(records):
        groups.setdefault(str(record.info.get("incarnation") or record.name), []).append(record)
    return sorted((_worker(group) for group in groups.values()), key=lambda worker: (worker.name, worker.started))


def find(name: str) -> Worker | None:
    """The worker of that node name that was heard last. Raises ConnectionError."""
    named = [worker for worker in workers() if worker.name == name]
    return min(named, key=lambda worker: worker.heard) if named else None


def _worker(group: list[Record]) -> Worker:
    """Of the records of one incarnation; where the main process is gone, what its children say has to do."""
    main = next((record for record in group if record.info.get("parent") is None), group[0])
    info = main.info
    lags = [lag for lag in info.get("lags") or [] if isinstance(lag, int)] if isinstance(info.get("lags"), list) else []
    return Worker(
        name=info["node"],
        pool=str(info.get("pool") or ""),
        host=str(info.get("host") or ""),
        pid=_whole(info.get("pid")),
        started=datetime.fromtimestamp(min(_whole(info.get("started")), 2**40 // 256), UTC),
        concurrency=_whole(info.get("concurrency")),
        queues=main.queues,
        paused=texts(info.get("paused")),
        held=main.held,
        heard=main.heard,
        lag=max(lags[-LAG_BEATS:]) if lags else None,
        children=tuple(
            Child(_whole(record.info.get("pid")), record.heard, record.held) for record in group if record is not main
        ),
    )


def _whole(value: Any) -> int:
    return max(0, int(value)) if isinstance(value, int | float) and value == value and abs(value) < 2**62 else 0
