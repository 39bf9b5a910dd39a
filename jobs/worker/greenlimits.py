"""Time limits for green pools, where Celery ignores its own (concurrency/eventlet.py drops them)."""

from collections.abc import Callable
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded, TimeLimitExceeded

from jobs.worker.execution import process


class _HardLimit(BaseException):
    """Not an Exception, so that neither the task nor autoretry catches it."""


def limited(body: Callable[[], Any], hard: float | None, soft: float | None) -> Any:
    """Run `body`: SoftTimeLimitExceeded inside it after `soft` [s], TimeLimitExceeded out of it after `hard` [s]."""
    if process.pool == "gevent":
        from gevent import Timeout
    else:
        from eventlet import Timeout
    timers = []
    if soft:
        timers.append(Timeout(soft, SoftTimeLimitExceeded(f"took longer than {soft:g} s")))
    if hard:
        timers.append(Timeout(hard, _HardLimit()))
    if process.pool == "gevent":
        for timer in timers:
            timer.start()
    try:
        return body()
    except _HardLimit:
        raise TimeLimitExceeded(hard) from None
    finally:
        for timer in timers:
            timer.cancel()
