"""The operating system's own threads and sockets, also where eventlet or gevent has replaced them.

A lease that is renewed by a green thread stops when a task computes; these do not (LINE 2).
"""

import logging
import sys
from types import ModuleType
from typing import Any


def original(name: str) -> Any:
    """The unpatched standard module `name`."""
    if "eventlet" in sys.modules:
        from eventlet import patcher

        if patcher.is_monkey_patched("socket"):
            return patcher.original(name)
    if "gevent.monkey" in sys.modules:
        return _gevent_original(name)
    return __import__(name)


def lock_logging_for_real() -> None:
    """Give logging the operating system's locks back, so that real threads may log beside green ones.

    A green lock that two threads want hangs one of them for good: each thread has an event loop of its own, and the
    one that releases wakes a waiter of the other's in the wrong loop. Measured: workers that did not end when told to.
    """
    new_lock = original("_thread").RLock
    logging._lock = new_lock()  # type: ignore[attr-defined]
    loggers = [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]
    for handler in {handler for logger in loggers for handler in getattr(logger, "handlers", ())}:
        if handler.lock is not None:
            handler.lock = new_lock()


def _gevent_original(name: str) -> Any:
    from gevent import monkey

    module = __import__(name)
    unpatched = ModuleType(name)
    unpatched.__dict__.update(module.__dict__)
    for attribute, value in monkey.saved.get(name, {}).items():
        setattr(unpatched, attribute, value)
    return unpatched
