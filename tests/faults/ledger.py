"""Which bodies have begun and ended, as the bodies themselves say: one line each, in a file that no kill takes back.

Neither SQL nor Redis is asked, since what they say is what is to be judged.
"""

import functools
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: Names the file; without it nothing is written down.
VARIABLE = "FAULTS_LEDGER"


def write(what: str, job: str, attempt: int) -> None:
    """A short line in one write to a file opened for appending: whole, and behind all others'."""
    line = json.dumps({"what": what, "job": job, "attempt": attempt, "pid": os.getpid(), "at": time.time()})
    file = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode() + b"\n")
    finally:
        os.close(file)


@contextmanager
def noted(job: str, attempt: int) -> Iterator[None]:
    """A body that is noted as begun, and as ended or failed: neither where its process was killed."""
    write("begin", job, attempt)
    try:
        yield
    except BaseException:
        write("fail", job, attempt)
        raise
    write("end", job, attempt)


def watch(kind: Any) -> None:
    """Have each run of the kind noted."""
    run: Callable[..., Any] = kind.run

    @functools.wraps(run)
    def watched(self: Any, params: dict[str, Any], ctx: Any) -> Any:
        with noted(ctx.job_id, ctx.attempt):
            return run(self, params, ctx)

    kind.run = watched


@dataclass
class Ledger:
    """What has been written down: how often each (job, attempt) began, and how often it came to a good end."""

    begun: dict[tuple[str, int], int] = field(default_factory=dict)
    ended: dict[tuple[str, int], int] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Ledger":
        ledger = cls()
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            key = (entry["job"], entry["attempt"])
            if entry["what"] == "begin":
                ledger.begun[key] = ledger.begun.get(key, 0) + 1
            elif entry["what"] == "end":
                ledger.ended[key] = ledger.ended.get(key, 0) + 1
        return ledger

    def of_job(self) -> dict[str, int]:
        """How often each job's body has begun, in all its attempts."""
        found: dict[str, int] = {}
        for (job, _), count in self.begun.items():
            found[job] = found.get(job, 0) + count
        return found
