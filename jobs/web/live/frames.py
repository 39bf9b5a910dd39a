"""What browsers are sent: the frames of the event stream, and which report of a job is the later truth."""

import json
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from jobs.browse.live import Progress
from jobs.core.states import RANK, State
from jobs.wire import events

CONNECTED = b"retry: 2000\n\n"
HEARTBEAT = b": still here\n\n"
#: Redis is away: what the page shows is as of now.
HOLD = b"event: hold\ndata: {}\n\n"

#: Told only to pages of that one job, as a hint to fetch: {"id"}.
DETAILS = {events.LOG: "log", events.ARTIFACT: "artifact", events.LEDGER: "ledger"}
_STATE_OF = {events.QUEUED: State.PENDING, events.PROGRESS: State.STARTED}


def reset(position: str) -> bytes:
    """The page has missed something, or may have: it must load itself again. `position` is where it goes on."""
    return b"id: %s\nevent: reset\ndata: {}\n\n" % position.encode()


def position_only(position: str) -> bytes:
    """No event, only how far the client is, so that it need not be reset when it comes back later."""
    return b"id: %s\n\n" % position.encode()


class News:
    """One event as browsers get it; the frame is made once for all of them."""

    __slots__ = ("_frame", "event", "id", "job", "progress", "state", "user")

    def __init__(self, event: events.Event):
        self.id, self.job, self.user = event.id, event.job, event.user
        #: Name of the frame's event: "job", or one of DETAILS.
        self.event = DETAILS.get(event.type, "job")
        self.state = str(_STATE_OF.get(event.type, event.type))
        self.progress: dict[str, Any] | None = event.fields.get("p")
        self._frame: bytes | None = None

    @property
    def frame(self) -> bytes:
        if self._frame is None:
            data: dict[str, Any] = {"id": self.job}
            if self.event == "job":
                # As lists have it: a task may count with NaN, which no browser's JSON.parse takes.
                progress = Progress.of(self.progress)
                data |= {"state": self.state, "progress": progress and asdict(progress)}
            text = json.dumps(data, separators=(",", ":"))
            self._frame = f"id: {self.id}\nevent: {self.event}\ndata: {text}\n\n".encode()
        return self._frame


def coalesced(news: Iterable[News]) -> dict[tuple[str, str], News]:
    """The last of each job (and of each of its details), in the order of their ids."""
    last: dict[tuple[str, str], News] = {}
    for item in news:
        last.pop((item.event, item.job), None)
        last[item.event, item.job] = item
    return last


class Latest:
    """Drops reports that come too late: of an earlier attempt, or of a lower state of the same one (LINE 7)."""

    def __init__(self, size: int = 20_000):
        self._size = size
        self._seen: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def takes(self, event: events.Event) -> bool:
        if event.type in DETAILS:
            return True
        state = _STATE_OF.get(event.type, event.type)
        if state not in RANK:
            return False
        rank = RANK[State(state)]
        seen = self._seen.pop(event.job, (0, 0))
        # A success ends the job whatever else was tried after it.
        won = seen[1] == RANK[State.SUCCESS] or (rank < RANK[State.SUCCESS] and (event.attempt, rank) < seen)
        self._seen[event.job] = seen if won else (event.attempt, rank)
        if len(self._seen) > self._size:
            self._seen.popitem(last=False)
        return not won
