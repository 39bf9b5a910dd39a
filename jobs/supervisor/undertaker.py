"""Stops, in order, what a killed supervisor left behind.

Run as a script it waits beside the supervisor with the read end of a pipe: when the pipe closes without a
word, the supervisor is gone. It uses nothing but the standard library, so that it starts fast and stays small.
"""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

FAREWELL = b"done"


def born(pid: int) -> str:
    """When a process started, in whatever words the system has for it; "" if there is none (or a zombie)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if fields[0] in "ZX" else fields[19]
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return ""
    answer = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return answer.stdout.strip()


def read_table(path: Path) -> list[dict[str, Any]]:
    """The processes in the table that still live: {"name", "pid", "born", "rank", "grace"}."""
    try:
        rows = json.loads(path.read_text())
    except (OSError, ValueError):
        return []
    return [row for row in rows if row["born"] and born(row["pid"]) == row["born"]]


def stop(rows: list[dict[str, Any]], longest: float = 60.0) -> None:
    """End processes rank by rank: TERM, at most `longest` seconds of their grace, KILL."""
    for rank in sorted({row["rank"] for row in rows}):
        group = [row for row in rows if row["rank"] == rank]
        for row in group:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(row["pid"], signal.SIGTERM)
        until = time.monotonic() + min(longest, max(row["grace"] for row in group))
        while time.monotonic() < until and any(_lives(row) for row in group):
            time.sleep(0.1)
        for row in group:
            if _lives(row):
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(row["pid"], signal.SIGKILL)
        while any(_lives(row) for row in group):
            time.sleep(0.05)


def _lives(row: dict[str, Any]) -> bool:
    return born(row["pid"]) == row["born"]


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if sys.stdin.buffer.read() != FAREWELL:
        stop(read_table(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
