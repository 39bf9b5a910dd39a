"""The ASGI application: answers what is asked often or held open, and hands everything else to Django's threads."""

import asyncio
import functools
import logging
import signal
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from django.conf import settings
from django.urls import get_resolver
from redis.asyncio import Redis

from jobs.core import heap
from jobs.core.ids import from_address
from jobs.core.outage import outage_of
from jobs.web.api.problem import Problem, problem_of
from jobs.web.live import sse
from jobs.web.live.access import NOT_SIGNED_IN, Access, Who, access, listen
from jobs.web.live.bridge import UNKNOWN_LIMIT, Bridge
from jobs.web.live.health import Health
from jobs.web.live.http import (
    Message,
    Receive,
    Scope,
    Send,
    is_for_us,
    is_local,
    refuse,
    refuse_unseen,
    respond,
)
from jobs.web.live.metrics import CONTENT_TYPE, Metrics
from jobs.web.live.poll import Polls
from jobs.web.live.stream import Hub, end
from jobs.web.live.submissions import Submissions
from jobs.web.live.upload_folder import UploadFolder
from jobs.web.outages import WRONG_HOST, is_api, refusal, wrong_host

logger = logging.getLogger("jobsite.web")

_JOBS = b"/api/v1/jobs/"
_SUBMIT = b"/api/v1/jobs"


class Edge:
    """One web process. Made when the server's lifespan begins, so that its connections belong to the server's loop."""

    def __init__(self, wsgi: Callable[..., Any], threads: int = 8):
        self._wsgi, self._threads = wsgi, threads
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._answer(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1000})

    def close(self) -> None:
        """End what is held open, so that the server can stop at once. Callable from a signal handler or a thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.hub.close)

    # --- life ---------------------------------------------------------------------------------------

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()  # lifespan.startup
        await self._start()
        await send({"type": "lifespan.startup.complete"})
        await receive()  # lifespan.shutdown
        await self._stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.redis = _client(socket_timeout=2.0)
        self._tail = _client(socket_timeout=30.0)
        self.hub = Hub(self._tail)
        self.access: Access = access
        self.polls = Polls(self.redis, self.hub, self.access)
        self.health = Health(self.redis)
        self.metrics = Metrics(self.redis, self.health)
        self.django = Bridge(self._wsgi, self._threads)
        self.submissions = Submissions()
        self._uploads = UploadFolder()
        self._end_held_at_signals()
        await self.hub.start()
        self._listener = asyncio.create_task(listen(_client(socket_timeout=None), self._access_changed))
        get_resolver().url_patterns  # noqa: B018 - loads the pages, which the first visitor would wait for
        heap.settle()

    def _end_held_at_signals(self) -> None:
        """Servers wait for open connections before they tell us to stop, and streams never end by themselves."""
        if threading.current_thread() is not threading.main_thread():
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            if callable(previous := signal.getsignal(number)):
                signal.signal(number, functools.partial(self._signalled, previous))

    def _signalled(self, previous: Callable[..., Any], number: int, frame: Any) -> None:
        self.close()
        previous(number, frame)

    async def _stop(self) -> None:
        await self.hub.stop()
        await end(self._listener)
        await asyncio.to_thread(self.django.close)
        await asyncio.to_thread(self.submissions.close)
        self._uploads.close()
        await self.redis.aclose()
        await self._tail.aclose()

    def _access_changed(self) -> None:
        self.access.clear()
        self.hub.recheck()

    # --- requests -----------------------------------------------------------------------------------

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        route, answer = self._route(scope)
        begun = False

        async def told(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            status = await answer(scope, receive, told)
        except Exception as error:
            status = await self._fail(scope, send, error, begun=begun)
        held = route == "events" or (route == "job" and b"wait=" in scope["query_string"])
        self.metrics.count(route, status, None if held else time.perf_counter() - started)

    async def _fail(self, scope: Scope, send: Send, error: Exception, *, begun: bool) -> int:
        """Answer what no part of the edge foresaw, by what is the matter; one that has begun can only break off."""
        if begun:
            if outage_of(error) is None:
                raise error
            logger.warning("An answer broke off: %s", error)
            return 503
        return await refuse_unseen(send, refusal(scope["path"], problem_of(error)))

    def _route(self, scope: Scope) -> tuple[str, Callable[..., Any]]:
        # The raw path: a foreign job's id may hold a slash, as %2F.
        path = scope.get("raw_path") or scope["path"].encode()
        is_job = path.startswith(_JOBS) and b"/" not in path[len(_JOBS) :] and len(path) > len(_JOBS)
        if is_job and scope["method"] in ("GET", "HEAD"):
            return "job", self._job
        if scope["method"] == "GET":
            if found := self._ROUTES.get(path):
                return found[0], found[1].__get__(self)
        elif scope["method"] == "POST" and path == _SUBMIT:
            return "submit", self._submit
        elif scope["path"].startswith("/api/"):
            return "django", self._with_body
        return "django", self._page

    async def _submit(self, scope: Scope, receive: Receive, send: Send) -> int:
        headers = dict(scope["headers"])
        if not is_for_us(headers):
            return await refuse(send, _WRONG_HOST)
        if self.submissions.takes(headers):
            return await self.submissions.serve(scope, receive, send)
        return await self._with_body(scope, receive, send)

    async def _with_body(self, scope: Scope, receive: Receive, send: Send) -> int:
        """A body may have 2 GB: nobody unknown gets it taken in before hearing so."""
        headers = dict(scope["headers"])
        if not is_for_us(headers):
            return await refuse(send, _WRONG_HOST)
        if await self.access.who(headers) is None:
            return await refuse(send, NOT_SIGNED_IN)
        return await self.django(scope, receive, send)

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Nobody unknown gets more taken in than a form to log in with. Who asks is asked only where that matters."""
        headers = dict(scope["headers"])
        if not is_for_us(headers) and b"host" in headers:
            if is_api(scope["path"]):
                return await refuse(send, _WRONG_HOST)
            return await refuse_unseen(send, wrong_host(headers[b"host"].decode("latin-1")))
        is_known = not _may_be_long(headers) or await self.access.who(headers) is not None
        return await self.django(scope, receive, send, is_known)

    async def _job(self, scope: Scope, receive: Receive, send: Send) -> int:
        headers = dict(scope["headers"])
        if not is_for_us(headers):
            return await refuse(send, _WRONG_HOST)
        path = scope.get("raw_path") or scope["path"].encode()
        # No id has a NUL, and PostgreSQL takes none in a question.
        job = from_address(unquote_to_bytes(path[len(_JOBS) :]).decode("utf-8", "replace").replace("\0", "�"))
        return await self.polls.serve(scope, headers, receive, send, job)

    async def _events(self, scope: Scope, receive: Receive, send: Send) -> int:
        headers = dict(scope["headers"])
        if not is_for_us(headers):
            return await refuse(send, _WRONG_HOST)
        with self.metrics.streams.track_inprogress():
            return await sse.serve(scope, headers, receive, send, self.hub, self.access)

    async def _healthz(self, scope: Scope, receive: Receive, send: Send) -> int:
        return await respond(send, 200, b"ok\n", _UNCACHED, b"text/plain; charset=utf-8")

    async def _readyz(self, scope: Scope, receive: Receive, send: Send) -> int:
        headers = dict(scope["headers"])
        details = is_local(scope, headers)
        try:
            details = details or await self._is_operator(headers)
        except Exception as error:
            if outage_of(error) is None:
                raise
            # Who asks cannot be known; that all is not well, they hear all the same.
        status, body = await self.health.body(details=details)
        retry = [(b"retry-after", b"5")] if status == 503 else []
        return await respond(send, status, body, [*_UNCACHED, *retry])

    async def _metrics(self, scope: Scope, receive: Receive, send: Send) -> int:
        headers = dict(scope["headers"])
        if not is_local(scope, headers) and not await self._is_operator(headers):
            return await refuse(send, _OPERATORS_ONLY)
        return await respond(send, 200, await self.metrics.text(), _UNCACHED, CONTENT_TYPE)

    async def _is_operator(self, headers: dict[bytes, bytes]) -> bool:
        who: Who | None = await self.access.who(headers)
        return who is not None and who.is_operator

    _ROUTES = {
        b"/api/v1/events": ("events", _events),
        b"/healthz": ("healthz", _healthz),
        b"/readyz": ("readyz", _readyz),
        b"/metrics": ("metrics", _metrics),
    }


_UNCACHED = [(b"cache-control", b"no-store")]
_WRONG_HOST = Problem(400, f"{WRONG_HOST}.")
_OPERATORS_ONLY = Problem(
    401,
    "Send the token of an operator: Authorization: Bearer TOKEN.",
    headers={"WWW-Authenticate": 'Bearer realm="jobsite"'},
)


def _may_be_long(headers: dict[bytes, bytes]) -> bool:
    """Whether a body of that request may be longer than what is taken of somebody unknown."""
    length = headers.get(b"content-length", b"0")
    return b"transfer-encoding" in headers or not length.isdigit() or int(length) > UNKNOWN_LIMIT


def _client(socket_timeout: float | None) -> "Redis":
    return Redis.from_url(
        settings.REDIS_URL,
        decode_responses=True,
        socket_connect_timeout=1.0,
        socket_timeout=socket_timeout,
        socket_keepalive=True,
        health_check_interval=30,
    )
