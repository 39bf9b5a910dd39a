"""What workers, publishers and the keeper tell each other through the stream: one JSON object an entry."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from jobs.core.states import State

VERSION = 1

QUEUED = "QUEUED"
PROGRESS = "PROGRESS"
LOG = "LOG"
ARTIFACT = "ARTIFACT"
LEDGER = "LEDGER"
#: An attempt kept the event loop of its worker waiting.
BLOCKED = "BLOCKED"
#: A worker did not know the kind: back to dispatch (LINE 18).
RETURNED = "RETURNED"

STATES = frozenset({State.STARTED, State.RETRY, State.LOST, State.FAILURE, State.REVOKED, State.SUCCESS})


@dataclass(frozen=True, slots=True)
class Event:
    """One entry of the stream. `at` is Redis' own time, from the entry's id."""

    id: str
    type: str
    job: str
    attempt: int
    user: str
    fields: dict[str, Any]

    @property
    def at(self) -> datetime:
        return moment(self.id)

    @property
    def ended(self) -> datetime:
        """When the job ended that this tells the end of: where somebody had written that down before, then."""
        told = self.fields.get("ended")
        return datetime.fromtimestamp(told, UTC) if told else self.at


@lru_cache(maxsize=4_096)  # asked for each column that an event sets
def moment(stream_id: str) -> datetime:
    """The time in a stream id ("milliseconds-sequence")."""
    return datetime.fromtimestamp(int(stream_id.split("-")[0]) / 1000, UTC)


def exact_moment(stream_id: str) -> datetime:
    """The same, with the sequence as microseconds: what was told within one millisecond keeps its order."""
    return moment(stream_id) + timedelta(microseconds=min(_pair(stream_id)[1], 999))


def entries(text: str) -> list[tuple[str, str]]:
    """(id, event) of each entry of the text that `newer.lua` and `group.lua` answer."""
    parts = text.split("\n") if text else []
    return list(zip(parts[::2], parts[1::2], strict=True))


def later(a: str, b: str) -> bool:
    """Whether stream id `a` comes after `b`; "" comes before all."""
    return _pair(a) > _pair(b)


def _pair(stream_id: str) -> tuple[int, int]:
    if not stream_id:
        return (0, 0)
    head, _, tail = stream_id.partition("-")
    return int(head), int(tail or 0)


def encode(event_type: str, job: str, attempt: int, user: str = "", **fields: Any) -> str:
    """The JSON of an event, for the script that appends it."""
    event = {"v": VERSION, "t": str(event_type), "id": job, "a": attempt, "u": user, **fields}
    return json.dumps(event, separators=(",", ":"), default=str)


def decode(stream_id: str, text: str) -> Event:
    """Raises ValueError for what is no event of a version that this code knows."""
    data = json.loads(text)
    if not isinstance(data, dict) or data.get("v") != VERSION:
        raise ValueError(f"event {stream_id}: expected version {VERSION}")
    try:
        return Event(stream_id, data.pop("t"), str(data.pop("id")), int(data.pop("a")), str(data.pop("u", "")), data)
    except KeyError as error:
        raise ValueError(f"event {stream_id}: {error} is missing") from error
