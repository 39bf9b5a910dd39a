"""Runs children until told to stop, then stops them rank by rank."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from jobs.supervisor import undertaker
from jobs.supervisor.child import Child, Program
from jobs.supervisor.files import write_private
from jobs.supervisor.output import Output

TICK = 0.1  # [s]
#: [s] that a worker is given once Redis is gone: Celery's eventlet pool would wait for it for ever.
GRACE_WITHOUT_REDIS = 5.0
#: [s] without Redis, while stopping, after which it is gone. An embedded one is started again before that.
REDIS_IS_GONE = 5.0
#: [s] that every child is given after a second Ctrl-C.
GRACE_IN_A_HURRY = 2.0


class Supervisor:
    """Owns the children. Everything happens in the thread that calls `run` and `stop`.

    table: the file in which `undertaker` finds the processes, should this one be killed.
    redis_answers: whether the broker can be reached; asked only while workers stop.
    """

    def __init__(
        self, programs: Iterable[Program], output: Output, table: Path, redis_answers: Callable[[], bool] = lambda: True
    ):
        self.children = {program.name: Child(program, output) for program in programs}
        #: How many times we were told to stop; signal handlers add to it.
        self.told_to_stop = 0
        self._output, self._table, self._redis_answers = output, table, redis_answers
        self._written: list[dict[str, object]] = []
        #: Whether the table could not be written, and people know.
        self._told_of_table = False
        self._undertaker: subprocess.Popen[bytes] | None = None

    def start(self, *names: str) -> None:
        for name in names:
            self.children[name].start()
        self._watch()

    def tick(self) -> None:
        for child in self.children.values():
            child.tick()
        self._watch()

    def run(self, each_tick: Callable[[], None]) -> None:
        """Keep the children alive until told to stop."""
        while not self.told_to_stop:
            self.tick()
            each_tick()
            time.sleep(TICK)

    def restart(self) -> None:
        """Start the programs again that run the project's own source."""
        for child in self.children.values():
            if child.program.reloads:
                child.restart()

    def stop(self) -> None:
        """End every child, rank by rank; those of later ranks are kept alive until it is their turn."""
        for rank in sorted({child.program.rank for child in self.children.values()}):
            group = [child for child in self.children.values() if child.program.rank == rank]
            if names := [child.name for child in group if child.running]:
                self._output.say(f"stopping {' and '.join(names)}")
            for child in group:
                child.stop(child.program.grace)
            self._wait_for(group)
        self._dismiss_undertaker()

    def _wait_for(self, group: list[Child]) -> None:
        answered = asked = time.monotonic()
        while any(child.running for child in group):
            if self.told_to_stop > 1:
                for child in group:
                    child.hurry(GRACE_IN_A_HURRY)
            elif group[0].program.is_worker and time.monotonic() - asked > 1.0:
                if self._redis_answers():
                    answered = time.monotonic()
                elif time.monotonic() - answered > REDIS_IS_GONE:
                    for child in group:
                        child.hurry(GRACE_WITHOUT_REDIS)
                asked = time.monotonic()
            self.tick()
            time.sleep(TICK)

    def _watch(self) -> None:
        """Keep the table of processes true, and somebody there who reads it should we be killed."""
        rows: list[dict[str, object]] = [
            {"name": child.name, "pid": child.process.pid, "rank": child.program.rank, "grace": child.program.grace}
            for child in self.children.values()
            if child.process
        ]
        if [row["pid"] for row in rows] != [row["pid"] for row in self._written]:
            self._write_table(rows)
        if self._undertaker is None or self._undertaker.poll() is not None:
            self._undertaker = subprocess.Popen(
                [sys.executable, "-I", "-S", undertaker.__file__, str(self._table)],
                stdin=subprocess.PIPE,
                start_new_session=True,
            )

    def _write_table(self, rows: list[dict[str, object]]) -> None:
        """Tried again at each tick: on a disk that is full or read-only, the children live on without a table."""
        stated = [{**row, "born": undertaker.born(int(str(row["pid"])))} for row in rows]
        try:
            write_private(self._table, json.dumps(stated))
        except OSError as error:
            if not self._told_of_table:
                self._output.warn(
                    f"{self._table} cannot be written ({error.strerror}). "
                    "Until it can, processes may stay behind should this one be killed"
                )
            self._told_of_table = True
        else:
            self._written, self._told_of_table = rows, False

    def _dismiss_undertaker(self) -> None:
        if self._undertaker:
            with suppress(BrokenPipeError):
                self._undertaker.communicate(undertaker.FAREWELL)
            self._undertaker = None
        # Where it stays, it names processes that have ended, and nobody is stopped for it.
        with suppress(OSError):
            self._table.unlink()
