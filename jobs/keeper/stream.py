"""Reading the stream as its consumer group: nothing is acknowledged before SQL has it (LINE 11)."""

import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import redis
from django.db import DatabaseError, InterfaceError, OperationalError

from jobs.keeper.record import record
from jobs.wire import events, keys, scripts
from jobs.wire.connection import redis_client
from jobs.wire.events import Event

log = logging.getLogger(__name__)

#: Entries of one read. SQLite's writers wait for each other, so its transactions stay short (LINE 17).
BATCH = 500
#: [s] after a batch that was not full until the next read: a batch costs several times what an event in it costs, and
#: pages hear of it from the stream at once, not from SQL.
GATHER = 0.05
#: [s] for which recorded entries stay, for browsers that come back.
KEEP = 600.0
#: [s] between looks at what is to be forgotten, and at what got lost.
TIDY_EVERY = 30.0
#: Keepers take turns (an SQL lease), so they share one consumer: whoever leads finds what its predecessor left.
CONSUMER = "keeper"


class Reader:
    """The leader's place in the stream."""

    def __init__(self) -> None:
        self._pending_first = True
        self._tidied = float("-inf")

    def step(self, wait: float) -> int:
        """Record what has come, waiting up to `wait` [s] for it; answers the number of entries.

        Raises redis and database errors: nothing is acknowledged then, and the entries come again.
        """
        client = redis_client()
        try:
            entries = self._read(client, wait)
        except redis.ResponseError as error:
            if "NOGROUP" not in str(error):
                raise
            # A new or emptied Redis. From 0: what was told before the group was made counts.
            client.xgroup_create(keys.EVENTS, keys.GROUP, id="0", mkstream=True)
            self._pending_first = True
            return 0
        if entries:
            batch = _decoded(client, entries)
            _record_or_bury(client, batch)
            left = _acknowledge(client, [entry_id for entry_id, _ in entries], Counter(event.type for event in batch))
            self._look_back(left)
            if len(entries) < BATCH:
                time.sleep(GATHER)
        if time.monotonic() - self._tidied >= TIDY_EVERY:
            self._tidied = time.monotonic()
            _trim(client)
            self._look_back(_pending(client))
        return len(entries)

    def _read(self, client: Any, wait: float) -> list[tuple[str, str]]:
        """(id, event) of each entry."""
        if self._pending_first:
            answer = client.xreadgroup(keys.GROUP, CONSUMER, {keys.EVENTS: "0"}, count=BATCH)
            entries = answer[0][1] if answer else []
            if entries:
                # Trimmed before they were recorded: only the id is left.
                gone = [entry_id for entry_id, fields in entries if not fields]
                if gone:
                    client.xack(keys.EVENTS, keys.GROUP, *gone)
                return _texts(entry for entry in entries if entry[1])
            self._pending_first = False
        if text := scripts.call(client, "group", [keys.EVENTS], [keys.GROUP, CONSUMER, BATCH]):
            return events.entries(text)
        answer = client.xreadgroup(
            keys.GROUP, CONSUMER, {keys.EVENTS: ">"}, count=BATCH, block=max(1, int(wait * 1000))
        )
        return _texts(answer[0][1] if answer else [])

    def again(self) -> None:
        """After a failure: what was read and not acknowledged comes first."""
        self._pending_first = True

    def _look_back(self, pending: int) -> None:
        """What is pending between two turns got lost with its connection: the client asked again, and was given what
        came after it."""
        self._pending_first = self._pending_first or pending > 0


def _trim(client: Any) -> None:
    recorded = client.get(keys.RECORDED)
    if recorded:
        seconds, _ = client.time()
        oldest = min(int(str(recorded).split("-")[0]), int((seconds - KEEP) * 1000))
        client.xtrim(keys.EVENTS, minid=str(oldest), approximate=True)


def _pending(client: Any) -> int:
    return int(client.xpending(keys.EVENTS, keys.GROUP)["pending"])


def _texts(entries: Iterable[tuple[str, dict[str, str]]]) -> list[tuple[str, str]]:
    return [(entry_id, fields.get("e", "")) for entry_id, fields in entries]


def _decoded(client: Any, entries: list[tuple[str, str]]) -> list[Event]:
    found = []
    for entry_id, text in entries:
        try:
            found.append(events.decode(entry_id, text))
        except (ValueError, KeyError, TypeError) as error:
            _bury(client, entry_id, text, error)
    return found


#: What the contents of an event can raise. Else it is not the event's fault, and it must not be given up.
_POISON = (DatabaseError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError)


def _record_or_bury(client: Any, batch: list[Event]) -> None:
    """Record a batch; of one that SQL refuses, halve until the poison is alone, and bury that."""
    try:
        record(batch)
    except (OperationalError, InterfaceError):
        raise  # SQL is away or busy: all of it comes again
    except _POISON as error:
        if len(batch) == 1:
            event = batch[0]
            _bury(client, event.id, f"{event.type} {event.job} {event.fields}", error)
            return
        middle = len(batch) // 2
        _record_or_bury(client, batch[:middle])
        _record_or_bury(client, batch[middle:])


def _bury(client: Any, entry_id: str, text: str, error: Exception) -> None:
    log.error("event %s cannot be recorded, kept in %s: %r", entry_id, keys.DEAD, error)
    client.xadd(keys.DEAD, {"event": entry_id, "text": text[:20_000], "error": repr(error)[:2000]}, maxlen=10_000)


def _acknowledge(client: Any, ids: list[str], of_type: Mapping[str, int]) -> int:
    """Answers how many entries still wait for theirs."""
    pipe = client.pipeline()
    pipe.xack(keys.EVENTS, keys.GROUP, *ids)
    pipe.set(keys.RECORDED, ids[-1])
    for name, count in of_type.items():
        pipe.hincrby(keys.RECORDED_OF, name, count)
    pipe.xpending(keys.EVENTS, keys.GROUP)
    return int(pipe.execute()[-1]["pending"])
