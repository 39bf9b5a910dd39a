"""Deadlines of whole exchanges: a peer that sends one byte a second never meets a socket's own timeout."""

import contextlib
import socket
import threading
import time
from typing import Any

#: [s] between two looks.
EVERY = 0.1

_lock = threading.Lock()
_watched: set["Deadline"] = set()
_is_running = False


class Deadline:
    """A time by which an exchange is over; from then on its socket is shut, which wakes whoever waits at it.

    Used as a context manager. at: by time.monotonic().
    """

    def __init__(self, at: float):
        self.at = at
        self.has_passed = False
        #: The socket in use; set by the connection as soon as there is one.
        self.sock: Any = None

    @property
    def remaining(self) -> float:
        """[s], never so little that a socket would take it for "do not wait"."""
        return max(0.01, self.at - time.monotonic())

    def shut(self) -> None:
        if self.sock is not None:
            with contextlib.suppress(OSError, ValueError):
                self.sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> "Deadline":
        global _is_running
        with _lock:
            _watched.add(self)
            if not _is_running:
                _is_running = True
                threading.Thread(target=_watch, name="deadlines", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with _lock:
            _watched.discard(self)


def _watch() -> None:
    """One thread for the process, which ends when nothing is left to watch."""
    global _is_running
    while True:
        time.sleep(EVERY)
        now = time.monotonic()
        with _lock:
            passed = [deadline for deadline in _watched if deadline.at <= now]
            for deadline in passed:
                deadline.has_passed = True
                deadline.shut()
            if not _watched:
                _is_running = False
                return
