"""The thread that speaks for a worker process: lease, wishes, held-back progress, unsent reports.

It is one of the operating system's own, with a socket of its own, so that nothing a task does in a green pool can
keep it waiting (LINE 2).
"""

import json
import logging
import os
import time
from typing import Any

from django.conf import settings

from jobs.wire import events, keys, scripts
from jobs.wire.workers import BEAT_EVERY
from jobs.worker import interrupt, report
from jobs.worker.execution import Execution, process, running
from jobs.worker.outbox import outbox
from jobs.worker.rawredis import RawRedis, RedisError
from jobs.worker.real import original

log = logging.getLogger(__name__)

#: [s] between looks at wishes and unsent things.
TICK = 0.5

_thread_of: list[int] = []
#: The process that has said goodbye: no beat may bring its record back.
_gone: list[int] = []


def start() -> None:
    """Start the thread in this process, once."""
    if _thread_of == [os.getpid()]:
        return
    _thread_of[:] = [os.getpid()]
    # The unpatched start_new_thread: `threading` itself is patched in a green worker.
    original("_thread").start_new_thread(_run, ())


def _run() -> None:
    raw = RawRedis(settings.REDIS_URL)
    sleep = original("time").sleep
    beat = -BEAT_EVERY
    reachable = True
    while True:
        try:
            if time.monotonic() - beat >= BEAT_EVERY:
                _beat(raw)
                beat = time.monotonic()
            _look(raw)
            outbox.tend(raw)
            if not reachable:
                log.info("Redis is back")
            reachable = True
        except (OSError, RedisError) as error:
            if reachable:
                log.warning("Redis is unreachable, jobs go on and their results are kept: %s", error)
            reachable = False
        except Exception:
            # This thread must outlive every surprise: without it the worker counts as lost.
            log.exception("the lease thread goes on after an error")
        sleep(TICK)


def held() -> list[str]:
    """Ids of all jobs that this process answers for."""
    more = process.also_held() if process.also_held else ()
    return sorted({*list(running), *outbox.held(), *more})


def _beat(raw: RawRedis) -> None:
    if not _is_gone():
        key = keys.worker(process.key)
        raw.pipeline(
            [
                ("HINCRBY", key, "beat", 1),
                ("HSET", key, "held", json.dumps(held()), "info", json.dumps(process.info())),
                ("EXPIRE", key, keys.WORKER_EXPIRES),
                ("SADD", keys.WORKERS, process.key),
            ]
        )
        # Without a lock, which a child could inherit locked: the goodbye that came meanwhile is said again.
        if _is_gone():
            say_goodbye(raw)


def _is_gone() -> bool:
    return _gone == [os.getpid()]


def say_goodbye(raw: RawRedis) -> None:
    """At an orderly end: the record goes at once, so that pages do not show a worker that is no more."""
    _gone[:] = [os.getpid()]
    try:
        raw.pipeline([("DEL", keys.worker(process.key)), ("SREM", keys.WORKERS, process.key)])
    except (OSError, RedisError) as error:
        log.info("left without a word to Redis: %s", error)


def _look(raw: RawRedis) -> None:
    """Wishes to cancel, pause and go on, and progress that was held back."""
    executions = list(running.values())
    if not executions:
        return
    jobs = [execution.job for execution in executions]
    wished, pauses = raw.pipeline([("SMISMEMBER", keys.CANCELS, *jobs), ("HMGET", keys.PAUSES, *jobs)])
    for execution, wish, pause in zip(executions, wished, pauses, strict=True):
        _send_log(raw, execution)
        # Nothing is no word to go on: Redis may have been emptied meanwhile.
        if pause is not None:
            execution.paused = pause == "1"
        if wish:
            interrupt.interrupt(execution, raw)
        if execution.unsent and time.monotonic() - execution.sent_at >= report.PROGRESS_EVERY:
            command, execution.unsent = execution.unsent, None
            execution.sent_at = time.monotonic()
            execution.taken |= _send(raw, command) == "taken"


def _send_log(raw: RawRedis, execution: Execution) -> None:
    """What a quiet attempt has said so far. Put back if it cannot be told: the attempt itself sends it at its end."""
    lines = []
    while execution.log:
        lines.append(execution.log.popleft())
    if not lines:
        return
    try:
        raw.call("XADD", keys.EVENTS, "*", "e", report.event_of(execution, events.LOG, lines=lines))
    except OSError:
        execution.log.extendleft(reversed(lines))
        raise


def _send(raw: RawRedis, command: tuple[list[str], list[Any]]) -> Any:
    script_keys, args = command
    try:
        return raw.call("EVALSHA", scripts.digest("progress"), len(script_keys), *script_keys, *args)
    except RedisError as error:
        if "NOSCRIPT" not in str(error):
            raise
        return raw.call("EVAL", scripts.source("progress"), len(script_keys), *script_keys, *args)
