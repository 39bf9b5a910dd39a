"""GET /api/v1/jobs/ID: one job's status, from Redis where it moves, and held until it changes where asked to."""

import asyncio
import copy
import time
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import redis.exceptions
from redis.asyncio import Redis

from jobs.browse import waiting
from jobs.browse.live import FIELDS, Live
from jobs.browse.represent import job_json
from jobs.core.outcome import json_text
from jobs.models import Job
from jobs.web.api.problem import Problem, invalid, problem_of
from jobs.web.live.access import NOT_SIGNED_IN, Access, Who
from jobs.web.live.http import Receive, Scope, Send, refuse, respond, until_disconnect
from jobs.web.live.runs import Runs, Values
from jobs.web.live.sql import in_sql
from jobs.web.live.stream import Hub
from jobs.wire import keys

#: [s] that a long poll may be held.
LONGEST_WAIT = 60.0
#: [s] after which a long poll looks by itself, for what changes without an event.
_LOOK_AGAIN = 2.5
#: Jobs whose representation is kept.
_KEPT = 4_096
#: [s] that a representation is believed while its last event stays the same: of a job that moves; of one whose end
#: SQL has yet to record; of one that has ended for good, which only pruning changes.
_MOVING, _ENDING, _ENDED = 1.0, 0.25, 10.0

_HEADERS = [(b"cache-control", b"private, no-cache"), (b"vary", b"Authorization, Cookie")]


@dataclass(frozen=True, slots=True)
class Stored:
    """What SQL has of a job: its row with the owner, and the whole result of a finished one."""

    row: Job
    result: Any
    read: float


@dataclass(frozen=True, slots=True)
class View:
    """A job as it is answered. `mark` is what Redis said when it was made; `until` [s, monotonic] it is believed."""

    mark: Values
    until: float
    owner: int | None
    final: bool
    etag: bytes
    body: bytes
    headers: list[tuple[bytes, bytes]]


class Polls:
    """The representations of one web process, made once for all who ask while nothing changes."""

    def __init__(self, client: "Redis", hub: Hub, access: Access):
        self.redis, self.hub, self.access = client, hub, access
        self.runs = Runs(client)
        self._views: OrderedDict[str, View] = OrderedDict()
        self._stored: OrderedDict[str, Stored] = OrderedDict()

    async def serve(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send, job: str) -> int:
        who = await self.access.who(headers)
        if who is None:
            return await refuse(send, NOT_SIGNED_IN)
        try:
            wait = _wait(scope["query_string"])
            view = await self._view_for(who, job)
            known = headers.get(b"if-none-match")
            if wait and known and _matches(known, view.etag):
                view = await self._changed(who, headers, job, known, view, wait, receive)
        except Exception as error:
            return await refuse(send, problem_of(error))
        if known and _matches(known, view.etag):
            return await respond(send, 304, headers=view.headers)
        return await respond(send, 200, view.body, view.headers)

    async def _changed(
        self, who: Who, headers: dict[bytes, bytes], job: str, known: bytes, view: View, wait: float, receive: Receive
    ) -> View:
        """The job as soon as it differs from what the client knows, or as it is after `wait` [s]."""
        deadline = time.monotonic() + wait
        gone = asyncio.create_task(until_disconnect(receive))
        try:
            with self.hub.watch(job) as told:
                gone.add_done_callback(lambda _: told.set())
                while _matches(known, view.etag) and not gone.done() and not self.hub.closing:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        break
                    with suppress(TimeoutError):
                        async with asyncio.timeout(min(left, _LOOK_AGAIN)):
                            await told.wait()
                    # Cleared before looking: what is told while we look makes us look again.
                    told.clear()
                    # From memory, which a revoked or expired token and a lost right clear.
                    now = await self.access.who(headers)
                    if now is None or (now.user, now.is_operator) != (who.user, who.is_operator):
                        raise Problem(401, "The access with which this was asked has ended.")
                    view = await self._view_for(who, job)
        finally:
            gone.cancel()
        return view

    async def _view_for(self, who: Who, job: str) -> View:
        """The job, if it is theirs to see. Raises Problem 404 otherwise, as for one that does not exist."""
        view = await self._view(job)
        if view is None and who.is_operator and await in_sql(waiting.found, job):
            view = await self._view(job)
        if view is None or not (who.is_operator or view.owner == who.user):
            raise Problem(404, f"There is no job {job} of yours.")
        return view

    async def _view(self, job: str) -> View | None:
        mark = await self.runs.get(job)
        view = self._views.get(job)
        now = time.monotonic()
        if view is not None and view.mark == mark and now < view.until:
            return view
        hash = dict(zip(FIELDS, mark, strict=True))
        stored = await self._stored_of(job, hash, now)
        live = Live.parse(hash)
        if stored is not None and live is not None and live.has_news_of(stored.row):
            live = live.told_by(await self._report(live.event))
            if live.report is None:
                stored = await self._read(job, now)  # the keeper has recorded it meanwhile, and let it go
        if stored is None:
            self._views.pop(job, None)
            return None
        view = self._make(stored, live, mark, now)
        _remember(self._views, job, view)
        return view

    async def _stored_of(self, job: str, hash: dict[str, str | None], now: float) -> Stored | None:
        """SQL's part; that of a running job is read once a second, however often it reports progress."""
        stored = self._stored.get(job)
        same_attempt = stored is not None and hash["progress"] and str(stored.row.attempt) == hash["attempt"]
        if stored is not None and same_attempt and not stored.row.is_final and now - stored.read < _MOVING:
            return stored
        return await self._read(job, now)

    async def _read(self, job: str, now: float) -> Stored | None:
        stored = await in_sql(_read, job, now)
        if stored is not None:
            _remember(self._stored, job, stored)
        return stored

    async def _report(self, event: str) -> Any:
        try:
            return await self.redis.xrange(keys.EVENTS, event, event)
        except (redis.exceptions.RedisError, OSError):
            return ()

    def _make(self, stored: Stored, live: Live | None, mark: Values, now: float) -> View:
        row, recorded = copy.copy(stored.row), stored.row.is_final
        # Nobody is told of a success without its result.
        body = job_json(row, live, stored.result if recorded or live is None else live.result)
        event = live.event if live else ""
        if row.is_final:
            believed = _ENDED if recorded else _ENDING
        else:
            # Nothing in Redis yet: any change is SQL's alone, and would go unseen.
            believed = _MOVING if event else 0.0
        version = event or f"{row.changed.timestamp():.6f}"
        # An end whose report cannot be found is told with less than SQL will have.
        whole = recorded or (row.is_final and live is not None and live.report is not None)
        marks = "".join(
            mark for mark, holds in zip("cpr", (body["cancelling"], body["paused"], whole), strict=True) if holds
        )
        etag = f'"{version}.{row.attempt}{row.state[0]}{row.shown[0]}{marks}"'.encode()
        headers = [*_HEADERS, (b"etag", etag)]
        if not row.is_final:
            headers.append((b"retry-after", str(_seconds_to_wait(row)).encode()))
        return View(mark, now + believed, row.owner_id, row.is_final, etag, json_text(body).encode(), headers)


def _read(job: str, now: float) -> Stored | None:
    row = Job.objects.select_related("owner").filter(id=job).first()
    if row is None:
        return None
    return Stored(row, _whole_result(row) if row.is_final else None, now)


def _whole_result(row: Job) -> Any:
    from jobs.browse.detail import result_of

    return result_of(row)


def _remember(memory: OrderedDict[str, Any], job: str, value: Any) -> None:
    memory[job] = value
    memory.move_to_end(job)
    if len(memory) > _KEPT:
        memory.popitem(last=False)


def _wait(query: bytes) -> float:
    """The seconds that `?wait=` asks for. Raises Problem 422."""
    if b"wait" not in query:
        return 0.0
    text = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("wait", ["0"])[-1]
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= LONGEST_WAIT:
        raise invalid({"wait": [f"{text!r}: expected seconds from 0 to {LONGEST_WAIT:.0f}."]})
    return seconds


def _matches(known: bytes, etag: bytes) -> bool:
    """Whether If-None-Match names the tag (RFC 9110, section 13.1.2: weak comparison)."""
    return (
        known == etag
        or known.strip() == b"*"
        or any(tag.strip().removeprefix(b"W/") == etag for tag in known.split(b","))
    )


def _seconds_to_wait(row: Job) -> int:
    """For Retry-After: a second while it moves, longer for what is not due yet."""
    if row.shown == "scheduled" and row.due_at is not None:
        return int(min(60.0, max(1.0, row.due_at.timestamp() - time.time())))
    return 1
