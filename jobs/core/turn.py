"""Work of which one process does one piece at a time, however many ask."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from jobs.core.errors import Busy


class Turn:
    """`with turn.taken():` waits until nobody else is within, for at most `patience` [s].

    Only `waiting` wait, and others hear `Busy` at once, so that not all threads of a web server stand here.
    """

    def __init__(self, what: str, waiting: int = 4, patience: float = 20.0):
        self._what, self._patience = what, patience
        self._here = threading.BoundedSemaphore(1 + waiting)
        self._one = threading.Lock()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Raises Busy."""
        if not self._here.acquire(blocking=False):
            raise Busy(self._busy)
        try:
            if not self._one.acquire(timeout=self._patience):
                raise Busy(self._busy)
            try:
                yield
            finally:
                self._one.release()
        finally:
            self._here.release()

    @property
    def _busy(self) -> str:
        return f"The server is at other {self._what}. Send yours again in a moment."
