"""How long a program that dies waits before it is started again."""

DELAYS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
#: [s] A program that lived this long has recovered: its next death counts as the first.
RECOVERED = 60.0


class Backoff:
    def __init__(self) -> None:
        self._deaths = 0

    def after(self, lifetime: float) -> float:
        """Seconds to wait after a death that followed `lifetime` seconds of life."""
        if lifetime >= RECOVERED:
            self._deaths = 0
        delay = DELAYS[min(self._deaths, len(DELAYS) - 1)]
        self._deaths += 1
        return delay
