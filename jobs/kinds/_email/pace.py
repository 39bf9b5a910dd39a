"""A speed limit: no more than so many messages a second."""

import time
from collections.abc import Callable

#: [s] between two looks at whether the job has been cancelled.
LOOK = 0.5


class Pace:
    """Call `wait` before each message. per_second: None for no limit."""

    def __init__(self, per_second: float | None, check: Callable[[], None]):
        self._gap, self._check = (1 / per_second if per_second else 0.0), check
        self._next = time.monotonic()

    def wait(self) -> None:
        """Return when the next message may go; what was late is not made up for by a burst."""
        while (left := self._next - time.monotonic()) > 0:
            time.sleep(min(left, LOOK))
            self._check()
        self._next = max(self._next, time.monotonic()) + self._gap
