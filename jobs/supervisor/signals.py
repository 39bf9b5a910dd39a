"""Which signals are heard."""

import signal
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any


def listen(numbers: Iterable[signal.Signals], handler: Callable[[int, FrameType | None], None]) -> dict[int, Any]:
    """Have `handler` called for the signals; answers with the handlers before.

    A SIGHUP that is ignored already stays so: that is all that `nohup` does.
    """
    ignored = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else set()
    return {number: signal.signal(number, handler) for number in numbers if number not in ignored}
