"""The one reader of the event stream in a web process, and everybody who waits for what it reads."""

import asyncio
import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis.exceptions
from redis.asyncio import Redis

from jobs.web.live import frames
from jobs.web.live.frames import Latest, News
from jobs.wire import events, keys, scripts

logger = logging.getLogger("jobsite.web")

#: [s] between two deliveries to one client: at most four of each job a second.
TICK = 0.25
#: Events kept for clients that come back.
KEPT = 5_000
#: [bytes] that may wait for one client before it is dropped; it comes back, and is brought up to date.
_BACKLOG = 512 * 1024
#: [ms] that one XREAD waits.
_BLOCK = 5_000
#: [s] after a read until the next one: what comes close together is read together.
_GATHER = 0.02
_BATCH = 500
_UNREACHABLE = (redis.exceptions.RedisError, OSError)

Audience = tuple[str, str | None]


class Client:
    """One open page: what waits for it, and whether it is to end."""

    def __init__(self) -> None:
        self.wake = asyncio.Event()
        self.waiting: deque[bytes] = deque()
        self.ended = False
        self._size = 0

    def push(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > _BACKLOG:
            self.end()
            return
        self.waiting.append(data)
        self.wake.set()

    def end(self) -> None:
        self.ended = True
        self.waiting.clear()
        self.wake.set()

    def take(self) -> bytes:
        data = b"".join(self.waiting)
        self.waiting.clear()
        self._size = 0
        self.wake.clear()
        return data


class Group:
    """The clients that are shown the same: what is new is gathered, and its bytes made, once for all."""

    def __init__(self) -> None:
        self.clients: set[Client] = set()
        self.pending: dict[tuple[str, str], News] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._delivered = float("-inf")

    def add(self, news: News) -> None:
        self.pending.pop((news.event, news.job), None)
        self.pending[news.event, news.job] = news
        if self._timer is None:
            loop = asyncio.get_running_loop()
            # At once after a quiet moment; together with what follows in a busy one.
            self._timer = loop.call_later(max(0.0, self._delivered + TICK - loop.time()), self._deliver)

    def _deliver(self) -> None:
        self._timer, self._delivered = None, asyncio.get_running_loop().time()
        data = b"".join(news.frame for news in self.pending.values())
        self.pending.clear()
        for client in self.clients:
            client.push(data)


async def end(task: "asyncio.Task[None]") -> None:
    """Cancel it until it has ended: a cancellation can be lost within redis-py (8.1.0, seen while Redis refuses), and
    a server that waited for that task would not stop."""
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=0.5)


class Hub:
    """Reads the stream once, for all pages and all long polls of this process."""

    def __init__(self, client: "Redis"):
        #: Typed loosely: redis-py's hints do not know that `decode_responses` leaves no bytes.
        self.redis: Any = client
        self._script = client.register_script(scripts.source("newer"))
        #: Id of the last event read.
        self.position = "0-0"
        #: Redis is away since the last read.
        self.on_hold = False
        self.closing = False
        self._epoch: str | None = None
        self._latest = Latest()
        self._kept: deque[News] = deque(maxlen=KEPT)
        #: From this event on all were read, though `_kept` may have let the oldest go.
        self._read_from = "0-0"
        self._groups: dict[Audience, Group] = {}
        self._waiters: dict[str, set[asyncio.Event]] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._read_for_ever())

    async def stop(self) -> None:
        self.close()
        if self._task is not None:
            await end(self._task)

    def close(self) -> None:
        """End all open streams and long polls now."""
        self.closing = True
        for client in self.clients():
            client.end()
        self._wake_all()

    # --- who waits ----------------------------------------------------------------------------------

    @contextmanager
    def open(self, audience: str, job: str | None, last_seen: str | None) -> Iterator[tuple[Client, Group]]:
        """A client that hears of `audience`'s jobs ("*": all), or of the one job, from after `last_seen` on."""
        client = Client()
        key = (audience, job)
        group = self._groups.setdefault(key, Group())
        # No await from here to joining the group: nothing can be missed between the two.
        client.push(frames.CONNECTED + self._opening(audience, job, last_seen))
        group.clients.add(client)
        try:
            yield client, group
        finally:
            group.clients.discard(client)
            if not group.clients and self._groups.get(key) is group:
                del self._groups[key]

    @contextmanager
    def watch(self, job: str) -> Iterator[asyncio.Event]:
        """An event that is set whenever something is told of the job."""
        event = asyncio.Event()
        if self.closing:
            event.set()
        self._waiters.setdefault(job, set()).add(event)
        try:
            yield event
        finally:
            waiters = self._waiters[job]
            waiters.discard(event)
            if not waiters:
                del self._waiters[job]

    def recheck(self) -> None:
        """Somebody's access has changed: every open stream is to ask again whether it may go on."""
        for client in self.clients():
            client.wake.set()

    def clients(self) -> list[Client]:
        return [client for group in self._groups.values() for client in group.clients]

    def _wake_all(self) -> None:
        for waiters in self._waiters.values():
            for event in waiters:
                event.set()

    def _opening(self, audience: str, job: str | None, last_seen: str | None) -> bytes:
        """What brings a client up to date: nothing, what it missed, or `reset` where that is not known any more."""
        if self.on_hold:
            return frames.HOLD
        if not last_seen:
            return frames.position_only(self.position)
        oldest = self._kept[0].id if len(self._kept) == KEPT else self._read_from
        if events.later(last_seen, self.position) or events.later(oldest, last_seen):
            return frames.reset(self.position)
        missed = frames.coalesced(
            news for news in self._kept if events.later(news.id, last_seen) and _is_for(audience, job, news)
        )
        return b"".join(news.frame for news in missed.values()) + frames.position_only(self.position)

    # --- reading ------------------------------------------------------------------------------------

    async def _read_for_ever(self) -> None:
        wait = 0.1
        begun = False
        while True:
            try:
                await (self._check() if begun else self._begin())
                begun, wait = True, 0.1
                self._resume()
                while True:
                    if await self._read():
                        await asyncio.sleep(_GATHER)
                    else:
                        await self._check()
            except _UNREACHABLE as error:
                self._hold(error)
                await asyncio.sleep(wait)
                wait = min(wait * 2, 2.0)

    async def _begin(self) -> None:
        """Learn where the stream stands, and its last events, for clients of an earlier process."""
        self._epoch = await self.redis.get(keys.EPOCH)
        entries = await self.redis.xrevrange(keys.EVENTS, count=KEPT)
        if entries:
            self._read_from = entries[-1][0]
        for stream_id, fields in reversed(entries):
            self._keep(stream_id, fields.get("e", ""))
            self.position = stream_id
        # Who came before this was not told of what it found.
        self._broadcast(frames.reset(self.position))

    async def _read(self) -> bool:
        """One turn; False where nothing came within `_BLOCK`."""
        entries = await self._newer()
        if not entries:
            entries = _entries(await self.redis.xread({keys.EVENTS: self.position}, count=_BATCH, block=_BLOCK))
        for stream_id, text in entries:
            self.position = stream_id
            if news := self._keep(stream_id, text):
                self._tell(news)
        return bool(entries)

    async def _newer(self) -> list[tuple[str, str]]:
        """What came since the last turn, (id, event) each; in a busy moment this is how all is read."""
        return events.entries(await self._script(keys=[keys.EVENTS], args=[self.position, _BATCH]))

    async def _check(self) -> None:
        """Find out whether events were lost: Redis emptied or replaced, or the stream cut beyond where we are."""
        epoch = await self.redis.get(keys.EPOCH)
        first, last = await self._ends()
        emptied = (self._epoch is not None and epoch != self._epoch) or events.later(self.position, last)
        cut = events.later(last, self.position) and (first is None or events.later(first, self.position))
        self._epoch = epoch
        if emptied or cut:
            logger.warning("The event stream has a gap after %s: open pages load themselves again.", self.position)
            self._kept.clear()
            self.position = self._read_from = last
            self._broadcast(frames.reset(self.position))

    async def _ends(self) -> tuple[str | None, str]:
        """Id of the first entry, and the last id ever given."""
        try:
            info = await self.redis.xinfo_stream(keys.EVENTS)
        except redis.exceptions.ResponseError:  # no such key
            return None, "0-0"
        first = info["first-entry"]
        return (first[0] if first else None), info["last-generated-id"]

    def _keep(self, stream_id: str, text: str) -> News | None:
        try:
            event = events.decode(stream_id, text)
        except ValueError as error:
            logger.warning("An event was passed over: %s", error)
            return None
        if not self._latest.takes(event):
            return None
        news = News(event)
        if news.event == "job":
            self._kept.append(news)
        return news

    def _tell(self, news: News) -> None:
        for event in self._waiters.get(news.job, ()):
            event.set()
        if not self._groups:
            return
        audiences = {"*", news.user} - {""}
        for audience in audiences:
            if (group := self._groups.get((audience, news.job))) is not None:
                group.add(news)
            if news.event == "job" and (group := self._groups.get((audience, None))) is not None:
                group.add(news)

    def _hold(self, error: Exception) -> None:
        if not self.on_hold:
            logger.warning("Redis cannot be reached (%s): pages wait.", error)
            self.on_hold = True
            self._broadcast(frames.HOLD)

    def _resume(self) -> None:
        """After an outage pages load themselves again: what they show is older than it."""
        if self.on_hold:
            logger.info("Redis answers again.")
            self.on_hold = False
            self._broadcast(frames.reset(self.position))

    def _broadcast(self, frame: bytes) -> None:
        for client in self.clients():
            client.push(frame)
        self._wake_all()


def _is_for(audience: str, job: str | None, news: News) -> bool:
    return audience in ("*", news.user) and job in (None, news.job)


def _entries(answer: Any) -> list[tuple[str, str]]:
    """(id, event) of the one stream that was asked for: XREAD answers nothing, a list or (RESP 3) a dict."""
    if not answer:
        return []
    entries = answer[keys.EVENTS][0] if isinstance(answer, dict) else answer[0][1]
    return [(stream_id, fields.get("e", "")) for stream_id, fields in entries]
