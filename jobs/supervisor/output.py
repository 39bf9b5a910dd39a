"""One readable stream out of many processes' output."""

import os
import sys
import threading
from typing import TextIO

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92)
_RED, _BOLD = 31, 1


class Output:
    """Writes lines with the name of their process in front; colours only on a terminal."""

    def __init__(self, names: list[str], stream: TextIO | None = None):
        self._stream = stream or sys.stdout
        self._width = max((len(name) for name in names), default=0)
        coloured = self._stream.isatty() and not os.environ.get("NO_COLOR")
        self._colour = {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(names)} if coloured else {}
        self._coloured = coloured
        self._lock = threading.Lock()
        self._gone = False

    def line(self, name: str, text: str) -> None:
        """One line of a child's."""
        prefix = f"{name:<{self._width}} | "
        if colour := self._colour.get(name):
            prefix = f"\x1b[{colour}m{prefix}\x1b[0m"
        self._write(prefix + text)

    def say(self, text: str) -> None:
        """A line of the supervisor's own."""
        self._own(text, _BOLD)

    def warn(self, text: str) -> None:
        self._own(text, _RED)

    def _own(self, text: str, code: int) -> None:
        text = f"{'up':<{self._width}} | {text}"
        self._write(f"\x1b[{code}m{text}\x1b[0m" if self._coloured else text)

    def _write(self, text: str) -> None:
        with self._lock:
            if self._gone:
                return
            try:
                self._stream.write(text + "\n")
                self._stream.flush()
            except (OSError, ValueError):
                # The terminal was closed. The processes still have to be stopped in order.
                self._gone = True
