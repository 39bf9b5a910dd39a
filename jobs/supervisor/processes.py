"""Several processes of one worker, for a pool that uses one core each."""

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from jobs.supervisor.signals import listen

#: What is handed on to every process. Ctrl-C has reached each from the terminal already, and Celery takes a second
#: SIGINT for impatience; a TERM it takes for the same wish.
FORWARDED = {
    signal.SIGTERM: signal.SIGTERM,
    signal.SIGINT: signal.SIGTERM,
    signal.SIGHUP: signal.SIGTERM,
    signal.SIGQUIT: signal.SIGQUIT,
}
_TICK = 0.2  # [s]


def run_many(argv: Sequence[str], count: int, say: Callable[[str], Any]) -> int:
    """Run `argv` in `count` processes until all have ended; the first exit code that is not 0, negative for a signal.

    None is started again: where one dies, the others end in order, so that whoever started this one (`manage.py up`,
    systemd) starts the whole. Signals are handed on.
    """
    told: list[signal.Signals] = []

    def note(number: int, frame: FrameType | None) -> None:
        told.append(FORWARDED[signal.Signals(number)])

    before = listen(FORWARDED, note)
    # In this process' group: what kills the group, as the supervisor does with a dead child's, leaves none behind.
    children = [subprocess.Popen(argv) for _ in range(count)]
    try:
        return _watch(children, told, say)
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch(children: list["subprocess.Popen[bytes]"], told: list[signal.Signals], say: Callable[[str], Any]) -> int:
    ending = False
    while [child for child in children if child.poll() is None]:
        while told:
            number = told.pop(0)
            ending = True
            _signal(children, number)
        if not ending and any(child.returncode is not None for child in children):
            ending = True
            dead = next(child for child in children if child.returncode is not None)
            say(f"process {dead.pid} ended ({dead.returncode}): the others end too")
            _signal(children, signal.SIGTERM)
        time.sleep(_TICK)
    return next((child.returncode for child in children if child.returncode), 0)


def _signal(children: list["subprocess.Popen[bytes]"], number: int) -> None:
    for child in children:
        if child.poll() is None:
            child.send_signal(number)
