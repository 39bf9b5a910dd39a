"""What worker processes write down of themselves (worker/lease.py): the one place where it is read, and where it stands
what their silence means."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from jobs.wire import keys
from jobs.wire.connection import redis_client

#: [s] between beats.
BEAT_EVERY = 2.0
#: [s] without a beat after which a worker is called silent and serves no queue: it takes its messages by the same Redis
#: that it beats over.
SILENT_AFTER = 6.0
#: [s] without a beat after which a process counts as gone, so that what it held is lost, and sent again.
GONE_AFTER = 20.0
#: [s] after the last beat that a record stays (`keys.WORKER_EXPIRES`): by what is left of it one reads when that was.
FORGOTTEN_AFTER = keys.WORKER_EXPIRES


@dataclass(frozen=True)
class Record:
    """One worker process as it told of itself last."""

    name: str
    #: Counts up; the same twice: nothing was heard between.
    beat: str
    #: Node, pool, pid, queues and the like (execution.Process.info).
    info: dict[str, Any]
    #: Ids of the jobs that it holds.
    held: tuple[str, ...]
    #: [s] since its last beat, by Redis' clock.
    heard: float

    @property
    def is_silent(self) -> bool:
        return self.heard >= SILENT_AFTER

    @property
    def is_gone(self) -> bool:
        return self.heard >= GONE_AFTER

    @property
    def queues(self) -> tuple[str, ...]:
        return texts(self.info.get("queues"))


def records() -> list[Record]:
    """Every worker process on record, by name. Raises redis errors."""
    client = redis_client()
    names = sorted(client.smembers(keys.WORKERS))
    pipe = client.pipeline(transaction=False)
    ask(pipe, names)
    found = read(names, pipe.execute())
    if expired := set(names) - {record.name for record in found}:
        client.srem(keys.WORKERS, *expired)
    return found


def is_gone(name: str) -> bool:
    """Whether a process has not been heard for so long that what it holds is lost. Raises redis errors."""
    return redis_client().pttl(keys.worker(name)) / 1000 < FORGOTTEN_AFTER - GONE_AFTER


def ask(pipe: Any, names: Iterable[str]) -> None:
    """Put the questions into a pipeline, of either kind of client; `read` takes the answers."""
    for name in names:
        pipe.hmget(keys.worker(name), "beat", "info", "held")
        pipe.pttl(keys.worker(name))


def read(names: Iterable[str], answers: list[Any]) -> list[Record]:
    """Records of those that are still there; one that nobody can read is nobody's."""
    found = []
    for name, (beat, info, held), left in zip(names, answers[::2], answers[1::2], strict=True):
        told = _object(info)
        if told is not None:
            heard = max(0.0, FORGOTTEN_AFTER - left / 1000)
            found.append(Record(name, str(beat), told, texts(_json(held)), heard))
    return found


def texts(value: Any) -> tuple[str, ...]:
    """The texts of a list; of anything else none."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _object(text: str | None) -> dict[str, Any] | None:
    value = _json(text)
    return value if isinstance(value, dict) and isinstance(value.get("node"), str) else None


def _json(text: str | None) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None
