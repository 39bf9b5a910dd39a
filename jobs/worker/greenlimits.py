"""Time limits for green pools, where Celery ignores its own (concurrency/eventlet.py drops them)."""

import time
from collections.abc import Callable
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded

from jobs.worker.execution import current, process


class _HardLimit(BaseException):
    """Not an Exception, so that neither the task nor autoretry catches it."""


class Clock:
    """The time limits of the calling green thread: {what is raised in it: after how long [s]}."""

    def __init__(self, limits: dict[BaseException, float]):
        self._limits = limits
        self._timers: list[Any] = []
        self._ran = self._since = 0.0

    def start(self) -> None:
        """Begin, or go on after a stop with what was left."""
        self._since = time.monotonic()
        self._timers = [_timer(max(0.0, after - self._ran), error) for error, after in self._limits.items()]

    def stop(self) -> None:
        self._ran += time.monotonic() - self._since
        for timer in self._timers:
            timer.cancel()


def _timer(seconds: float, error: BaseException) -> Any:
    if process.pool == "gevent":
        from gevent import Timeout

        return Timeout.start_new(seconds, error)
    from eventlet import Timeout

    return Timeout(seconds, error)


def limited(body: Callable[[], Any], hard: float | None, soft: float | None) -> Any:
    """Run `body`: SoftTimeLimitExceeded inside it after `soft` [s], TimeLimitExceeded out of it after `hard` [s]."""
    limits: dict[BaseException, float] = {}
    if soft:
        limits[SoftTimeLimitExceeded(f"took longer than {soft:g} s")] = soft
    if hard:
        limits[_HardLimit()] = hard
    clock = Clock(limits)
    if execution := current():
        execution.clock = clock
    clock.start()
    try:
        return body()
    except _HardLimit:
        raise TimeLimitExceeded(hard) from None
    finally:
        clock.stop()
