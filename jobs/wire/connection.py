"""The Redis client of this process, and the breaker that keeps an outage from slowing everything down."""

import re
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import redis
from django.conf import settings

#: What `redis_client` raises when Redis cannot be reached, or refuses for now (`refuses`).
UNREACHABLE = (redis.ConnectionError, redis.TimeoutError, OSError)

#: Connections of one process; whoever needs one more waits for it, at most WAIT_FOR_CONNECTION [s]. redis-py's usual
#: pool refuses instead, as if Redis were gone, and a thousand green threads would each pay for opening its own.
MOST_CONNECTIONS, WAIT_FOR_CONNECTION = 32, 20
#: [s] until a machine that does not answer counts as away.
CONNECT = 1.0


#: The words with which Redis says that it is there and cannot do for now what it is asked for: its memory or its disk
#: is full; it is (or has just become) a replica, or misses its own; it loads its data, or a script holds it up; the
#: password or the rights of who asks were changed.
_REFUSALS = (
    "OOM", "MISCONF", "READONLY", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "LOADING", "BUSY", "NOAUTH", "WRONGPASS",
    "NOPERM",
)  # fmt: skip
#: Such a word comes first; within the error of a script it comes after a dash, and of missing rights Redis 6 and 7
#: speak otherwise there.
_REFUSAL = re.compile(
    rf"(?:^| -)(?:{'|'.join(_REFUSALS)})\b|The user executing the script can't run|ACL failure in script"
)


def refuses(answer: str) -> bool:
    """Whether an error that Redis answered is none of the command: it is waited for, as where Redis is away."""
    return bool(_REFUSAL.search(answer))


def answer_of(error: Exception) -> str:
    """What Redis answered, with its first word, which redis-py cuts off where it has a class for it."""
    word = getattr(error, "status_code", None)
    return f"{word} {error}" if word else str(error)


def refusal(error: Exception) -> str:
    """What whoever runs Jobsite is told of an error by which Redis `refuses`; "" for any other error."""
    answer = answer_of(error)
    if not refuses(answer):
        return ""
    return (
        f"Redis is there, and refuses: {answer.rstrip('.')}. Work is on hold, and goes on by itself once that is over."
    )


#: The part of its memory limit beyond which Redis is called full: the next large write is refused.
_FULL = 0.98


def fullness(memory: Mapping[str, Any]) -> str:
    """What is wrong with Redis' memory, by its own INFO; "" where there is room, or no limit."""
    used, most = memory.get("used_memory") or 0, memory.get("maxmemory") or 0
    if not most or used < _FULL * most:
        return ""
    return (
        f"Redis is full: {used / 2**20:,.0f} of {most / 2**20:,.0f} MB of memory are in use, and it takes no writes. "
        "Work is on hold, and goes on by itself once there is room (maxmemory)."
    )


class _TellsRefusals:
    """Of a connection: whoever can wait for a Redis that is away can wait for one that refuses, by the same error."""

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)  # type: ignore[misc]
        except redis.ResponseError as error:
            if refuses(answer := answer_of(error)):
                raise redis.ConnectionError(answer) from error
            raise


def telling_refusals(connection_class: type) -> type:
    """The class of connections, of which a refusal to write is an outage like any other."""
    if issubclass(connection_class, _TellsRefusals):
        return connection_class
    return type(connection_class.__name__, (_TellsRefusals, connection_class), {})


@cache
def redis_client() -> Any:
    """A redis.Redis with its own pool, decoding to text. Reconnects by itself; one retry hides a restarted Redis.

    Typed Any: redis-py declares every answer as "bytes or str, now or awaited", which no check could use.
    """
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    pool = redis.BlockingConnectionPool.from_url(
        settings.REDIS_URL,
        max_connections=MOST_CONNECTIONS,
        timeout=WAIT_FOR_CONNECTION,
        decode_responses=True,
        socket_connect_timeout=CONNECT,
        socket_timeout=10.0,
        socket_keepalive=True,
        health_check_interval=30,
        retry=Retry(NoBackoff(), 1),
    )
    pool.connection_class = telling_refusals(pool.connection_class)
    return redis.Redis.from_pool(pool)


class Breaker:
    """After a failure, refuses for `rest` seconds without trying, so that callers do not each wait for a timeout."""

    def __init__(self, rest: float = 1.0):
        self.rest = rest
        self._closed_at = 0.0
        self._why = ""

    @property
    def is_open(self) -> bool:
        return time.monotonic() < self._closed_at

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """The function's answer. Raises ConnectionError, and why, where Redis is unreachable, or was a moment ago."""
        if self.is_open:
            raise ConnectionError(self._why)
        try:
            return function(*args)
        except UNREACHABLE as error:
            self._closed_at = time.monotonic() + self.rest
            self._why = answer_of(error)
            raise ConnectionError(self._why) from error


breaker = Breaker()
