"""Tokens that were looked up a moment ago, so that a program's every call need not ask SQL who it is."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.models import ApiToken

#: [s] for which a token is believed where no news of a change arrived.
TTL = 30.0
_MOST = 10_000


class Tokens:
    """The memory of one process. It remembers only while somebody hears of changes (the edge's listener does)."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, ApiToken]] = {}
        self._generation = 0
        self._listening = False

    def listening(self, yes: bool) -> None:
        self._listening = yes
        self.clear()

    def clear(self) -> None:
        self._generation += 1
        self._known = {}

    def find(self, hashed: str, look_up: "Callable[[str], ApiToken | None]") -> "ApiToken | None":
        """The token with this hash and its user. Whether it is still valid is the caller's to check, each time."""
        known = self._known.get(hashed)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        generation = self._generation
        token = look_up(hashed)
        # Not remembered where a change was announced while SQL answered: the answer may be from before it.
        if token is not None and self._listening and generation == self._generation:
            if len(self._known) >= _MOST:
                self._known = {}
            self._known[hashed] = (time.monotonic() + TTL, token)
        return token


tokens = Tokens()
