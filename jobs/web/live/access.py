"""Who asks: a bearer token or a session, looked up in SQL and remembered for a short while."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Any

import redis.exceptions
from django.conf import settings
from django.db import transaction
from redis.asyncio import Redis

from jobs.core.access import is_admitted, is_operator
from jobs.web.api.problem import Problem
from jobs.web.api.remembered import tokens
from jobs.web.live.sql import in_sql
from jobs.wire import keys
from jobs.wire.connection import breaker, redis_client

#: [s] for which an answer is believed where no news of a change arrived.
TTL = 30.0
_REMEMBERED = 10_000
NOT_SIGNED_IN = Problem(
    401,
    "Log in, or send a valid token: Authorization: Bearer TOKEN.",
    headers={"WWW-Authenticate": 'Bearer realm="jobsite"'},
)

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Who:
    """One who may ask. `scope` is a token's; a session has all of them ("admin")."""

    user: int
    is_operator: bool
    scope: str
    #: Unix time at which it ends by itself.
    until: float = float("inf")

    @property
    def audience(self) -> str:
        """Whose events are theirs to see: everybody's ("*") or those of one owner."""
        return "*" if self.is_operator else str(self.user)


class Access:
    """The memory of one web process. Used from its event loop; `clear` from any thread."""

    def __init__(self) -> None:
        self._known: OrderedDict[Key, tuple[float, Who | None]] = OrderedDict()
        self._asking: dict[Key, asyncio.Task[Who | None]] = {}
        self._generation = 0

    def clear(self) -> None:
        tokens.clear()
        self._generation += 1
        self._known.clear()
        self._asking.clear()

    async def who(self, headers: dict[bytes, bytes]) -> Who | None:
        """Who sends these headers; None for nobody that we know. A token that is wrong is not saved by a cookie."""
        key = credential(headers)
        if key is None:
            return None
        known = self._known.get(key)
        if known is not None and known[0] > time.monotonic():
            who = known[1]
            return who if who is None or who.until > time.time() else None
        # One question at a time for each credential: a thousand pages of one person ask SQL once.
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self._ask(key))
        return await asyncio.shield(task)

    async def _ask(self, key: Key) -> Who | None:
        generation = self._generation
        try:
            who = await in_sql(_look_up, key)
        finally:
            if self._asking.get(key) is asyncio.current_task():
                del self._asking[key]
        # Not remembered where a change was announced while SQL answered: the answer may be from before it.
        if generation == self._generation:
            self._known[key] = (time.monotonic() + TTL, who)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return who


def credential(headers: dict[bytes, bytes]) -> Key | None:
    """("token", its hash) or ("session", its key)."""
    if authorization := headers.get(b"authorization"):
        scheme, _, token = authorization.strip().partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        return "token", hashlib.sha256(token.strip()).hexdigest()
    if cookies := headers.get(b"cookie"):
        try:
            morsel = SimpleCookie(cookies.decode("latin-1")).get(settings.SESSION_COOKIE_NAME)
        except CookieError:
            return None
        if morsel and morsel.value:
            return "session", morsel.value
    return None


def _look_up(key: Key) -> Who | None:
    kind, value = key
    return _token(value) if kind == "token" else _session(value)


def _token(hashed: str) -> Who | None:
    from jobs.models import ApiToken
    from jobs.web.api.auth import note_use

    token = ApiToken.objects.select_related("user").filter(hash=hashed).first()
    if token is None or not token.is_valid or not is_admitted(token.user):
        return None
    note_use(token)
    until = token.expires.timestamp() if token.expires else float("inf")
    return Who(token.user_id, is_operator(token.user), token.scope, until)


def _session(session_key: str) -> Who | None:
    from django.contrib.auth import get_user
    from django.http import HttpRequest

    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    # Compares the session's hash with the password's, so that a changed password ends old sessions.
    user: Any = get_user(request)
    return Who(user.pk, is_operator(user), "admin") if user.is_authenticated and is_admitted(user) else None


#: This process' memory.
access = Access()


async def listen(client: "Redis", heard: Callable[[], None]) -> None:
    """Call `heard` whenever some process announces a change, and whenever announcements may have been missed."""
    while True:
        try:
            async with client.pubsub() as channel:
                await channel.subscribe(keys.ACCESS_CHANNEL)
                try:
                    async for _ in channel.listen():  # the first message confirms the subscription
                        tokens.listening(True)
                        heard()
                finally:
                    tokens.listening(False)
        except (redis.exceptions.RedisError, OSError):
            heard()
            await asyncio.sleep(1.0)


def forget() -> None:
    """Make all web processes look up again who is who. Best effort: where Redis is away they do so within 30 s."""
    access.clear()
    # After the commit, or another process would look up, and remember, what was before it.
    transaction.on_commit(_tell)


def _tell() -> None:
    access.clear()
    try:
        breaker.call(redis_client().publish, keys.ACCESS_CHANNEL, "changed")
    except ConnectionError:
        return
