"""One program under the supervisor: started, its output passed on, started again when it dies."""

import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from jobs.supervisor.backoff import Backoff
from jobs.supervisor.output import Output

_LINE_LIMIT = 8192
_LINES_SHOWN = 5


@dataclass(frozen=True)
class Program:
    """What to run, and how it is stopped."""

    name: str
    argv: tuple[str, ...]
    #: Programs of a lower rank are stopped, and gone, before those of a higher one are told to.
    rank: int
    #: [s] between TERM and KILL.
    grace: float = 10.0
    #: Whether it starts again when a source file changes.
    reloads: bool = False
    #: Whether jobs run in it, so that it stops slowly and only while Redis answers.
    is_worker: bool = False
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None


def reason_of(code: int) -> str:
    """A process's end in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"was killed by signal {-code}"


class Child:
    """A program and the process that runs it now, if any. Driven by `tick`, from one thread."""

    def __init__(self, program: Program, output: Output, clock: Callable[[], float] = time.monotonic):
        self.program = program
        self.process: subprocess.Popen[bytes] | None = None
        self.started_at = 0.0
        self._output, self._clock = output, clock
        self._backoff = Backoff()
        self._wanted = False
        #: The end that comes next was asked for.
        self._asked = False
        self._start_at = self._kill_at = float("inf")
        self._last: deque[str] = deque(maxlen=_LINES_SHOWN)
        self._pump: threading.Thread | None = None

    @property
    def name(self) -> str:
        return self.program.name

    @property
    def running(self) -> bool:
        return self.process is not None

    def start(self) -> None:
        """Run the program, now and again whenever it dies."""
        self._wanted, self._start_at = True, self._clock()
        self.tick()

    def stop(self, grace: float) -> None:
        """Ask the process to end, and end it after `grace` seconds if it has not; it is not started again."""
        self._wanted = False
        self._terminate(grace)

    def restart(self) -> None:
        """End the process in peace and start the program anew."""
        self._start_at = self._clock()
        self._terminate(self.program.grace)

    def hurry(self, grace: float) -> None:
        """Shorten the time that a process which has been asked to end still has."""
        self._kill_at = min(self._kill_at, self._clock() + grace)

    def tick(self) -> None:
        """Notice an end, start what is due, kill what is late."""
        now = self._clock()
        if self.process and self.process.poll() is not None:
            self._ended(self.process.returncode, now)
        if self.process and now >= self._kill_at:
            self._kill_at = float("inf")
            self._output.warn(f"{self.name} did not end in time and is killed")
            self._signal_group(self.process.pid, signal.SIGKILL)
        if not self.process and self._wanted and now >= self._start_at:
            self._spawn(now)

    def _terminate(self, grace: float) -> None:
        if not self.process:
            return
        if not self._asked:
            # TERM goes to the process alone: a prefork worker's children must finish their jobs.
            with suppress(ProcessLookupError):
                self.process.terminate()
        self._asked = True
        self.hurry(grace)

    def _spawn(self, now: float) -> None:
        self._asked, self._kill_at = False, float("inf")
        self._last.clear()
        try:
            # A session of its own: Ctrl-C reaches the supervisor alone, which then stops all in order.
            process = subprocess.Popen(
                self.program.argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.program.env},
                cwd=self.program.cwd,
                start_new_session=True,
            )
        except OSError as error:
            self._start_at = now + self._backoff.after(0.0)
            self._output.warn(f"{self.name} cannot be started ({error}); next try in {self._start_at - now:.0f} s")
            return
        self.process, self.started_at = process, now
        self._pump = threading.Thread(target=self._pass_on, args=(process,), name=f"output of {self.name}", daemon=True)
        self._pump.start()

    def _pass_on(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with process.stdout as stream:
            while line := stream.readline(_LINE_LIMIT):
                text = line.decode(errors="replace").rstrip()
                if text:
                    self._last.append(text)
                    self._output.line(self.name, text)

    def _ended(self, code: int, now: float) -> None:
        assert self.process is not None
        # What a killed worker leaves behind must not go on beside its successor.
        self._signal_group(self.process.pid, signal.SIGKILL)
        if self._pump:
            self._pump.join(timeout=1.0)
        lifetime, self.process, self._kill_at = now - self.started_at, None, float("inf")
        if self._asked:
            return
        delay = self._backoff.after(lifetime)
        self._start_at = now + delay
        self._output.warn(f"{self.name} {reason_of(code)} after {lifetime:.0f} s; started again in {delay:.0f} s")
        if code > 0 and self._last:
            self._output.warn(f"last lines of {self.name}:")
            for text in list(self._last):
                self._output.warn(f"    {text}")

    @staticmethod
    def _signal_group(leader: int, number: int) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, number)
