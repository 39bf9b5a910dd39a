"""Ending a running attempt from outside its own code: `Cancelled` is raised where it is at work."""

import ctypes
import logging
import os
import signal
import threading
import time
from collections import deque
from typing import Any

from jobs.core.errors import Cancelled
from jobs.worker import report
from jobs.worker.execution import Execution, leave, process, running
from jobs.worker.outbox import outbox
from jobs.worker.rawredis import RawRedis

log = logging.getLogger(__name__)

#: [s] after which an attempt that has not ended is interrupted again, and after which its process is killed.
AGAIN_AFTER, KILL_AFTER = 3.0, 10.0
#: The signal that raises Cancelled in a prefork child; billiard has USR1 for soft time limits.
SIGNAL = signal.SIGUSR2

#: Greenlets to interrupt: filled by the lease thread, emptied by a green thread, since only the hub may switch.
_for_hub: deque[Execution] = deque()
#: Held while a thread is aimed at: what it runs must still be what is to end.
_aiming = threading.Lock()


def runner() -> Any:
    """What `interrupt` needs to reach the calling code."""
    if process.pool in ("eventlet", "gevent"):
        import greenlet

        return greenlet.getcurrent()
    return threading.get_ident()


def on_signal(signum: int, frame: Any) -> None:
    """Handler of SIGNAL in a prefork child: raise where the task is, unless it ended a moment ago."""
    if any(execution.cancel_asked for execution in list(running.values())):
        raise Cancelled


def out_of_reach(execution: Execution) -> None:
    """Leave it: from here on nothing is raised in the calling code on its behalf, where it would hit what comes after.

    A wish that was told just before may raise Cancelled in here; calling again ends it.
    """
    with _aiming:
        leave(execution)
    if process.pool == "threads":
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(threading.get_ident()), None)


def interrupt(execution: Execution, raw: RawRedis) -> None:
    """Called by the lease thread for an attempt that is to end, as often as it still runs."""
    now = time.monotonic()
    if not execution.cancel_asked:
        execution.cancel_asked = now
    elif now - execution.cancel_asked < AGAIN_AFTER * execution.cancel_times:
        return
    execution.cancel_times += 1
    if process.pool in ("eventlet", "gevent"):
        _for_hub.append(execution)
    elif process.pool == "prefork":
        if now - execution.cancel_asked > KILL_AFTER:
            _kill_own_process(execution, raw)
        os.kill(os.getpid(), SIGNAL)
    else:
        _raise_in_thread(execution)


def _raise_in_thread(execution: Execution) -> None:
    with _aiming:
        if running.get(execution.job) is execution:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(execution.runner), ctypes.py_object(Cancelled))


def _kill_own_process(execution: Execution, raw: RawRedis) -> None:
    """The task is in C code or swallows what is raised: end the child, having said why."""
    report.revoked(execution)
    outbox.flush(raw, 5.0)
    log.warning("%s did not end within %g s of being cancelled: its process is killed", execution.job, KILL_AFTER)
    os.kill(os.getpid(), signal.SIGKILL)


def serve_hub() -> None:
    """The green thread that carries out what the lease thread asks for; runs for the life of a green worker."""
    while True:
        time.sleep(0.1)  # patched: yields to the hub
        while _for_hub:
            execution = _for_hub.popleft()
            if running.get(execution.job) is execution:
                _throw(execution.runner)


def _throw(green: Any) -> None:
    if process.pool == "gevent":
        import gevent

        gevent.kill(green, Cancelled, block=False)
    else:
        import eventlet.greenthread

        eventlet.greenthread.kill(green, Cancelled())
