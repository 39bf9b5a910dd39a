"""The Redis client of this process, and the breaker that keeps an outage from slowing everything down."""

import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import redis
from django.conf import settings

#: What redis-py raises when Redis cannot be reached, is loading its data, or is full.
UNREACHABLE = (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError, redis.OutOfMemoryError, OSError)

#: Connections of one process; whoever needs one more waits for it, at most WAIT_FOR_CONNECTION [s]. redis-py's usual
#: pool refuses instead, as if Redis were gone, and a thousand green threads would each pay for opening its own.
MOST_CONNECTIONS, WAIT_FOR_CONNECTION = 32, 20
#: [s] until a machine that does not answer counts as away.
CONNECT = 1.0


#: What Redis says, first or within a script's error, where it is there and takes no writes: its disk is full, or it is
#: (or has just become) a replica.
_REFUSALS = ("MISCONF", "READONLY", "NOREPLICAS", "-OOM")


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
        except (redis.ReadOnlyError, redis.OutOfMemoryError) as error:
            raise redis.ConnectionError(str(error)) from error
        except redis.ResponseError as error:
            if any(word in str(error) for word in _REFUSALS):
                raise redis.ConnectionError(str(error)) from error
            raise


@cache
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

    @property
    def is_open(self) -> bool:
        return time.monotonic() < self._closed_at

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """The function's answer. Raises ConnectionError where Redis is unreachable, or was a moment ago."""
        if self.is_open:
            raise ConnectionError("Redis was unreachable a moment ago")
        try:
            return function(*args)
        except UNREACHABLE as error:
            self._closed_at = time.monotonic() + self.rest
            raise ConnectionError(str(error)) from error


breaker = Breaker()
