"""A Jobsite of real processes for a benchmark: its own folder, database, Redis, web, keeper and workers."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import psutil

from tests.services import free_port, start_postgres, start_redis, stop_postgres

ROOT = Path(__file__).resolve().parent.parent


class Site:
    """Processes by name. `environment` is what every one of them is given."""

    def __init__(self, folder: Path, *, postgres: bool = False):
        self.folder, self.port, self.redis_port = folder, free_port(), free_port()
        # Beside it: run by root, PostgreSQL is another user's process, and VAR_DIR is closed to others.
        self.postgres = folder.with_name(f"{folder.name}-postgres")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.redis = start_redis(folder / "redis", self.redis_port, "--appendonly", "yes")
        self.environment = {
            **os.environ,
            "CONNECTIONS_PER_ADDRESS": "5000",  # a thousand pages are open on this machine alone
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
            "PYTHONPATH": str(ROOT),
            "VAR_DIR": str(folder),
            "REDIS_URL": f"redis://127.0.0.1:{self.redis_port}/0",
            "DATABASE_URL": start_postgres(self.postgres) if postgres else "",
            "PORT": str(self.port), "HOST": "", "BASE_URL": "", "DEBUG": "", "EMAIL_URL": "",
        }  # fmt: skip

    def python(self, *words: str, **more: str) -> str:
        """Run Python to its end; what it printed."""
        done = subprocess.run(
            [sys.executable, *words], cwd=ROOT, env={**self.environment, **more}, check=True, text=True,
            stdout=subprocess.PIPE,
        )  # fmt: skip
        return done.stdout

    def seed(self) -> dict[str, str]:
        """{"token", "moving", "final"}: an operator's token, a job that runs and one that has ended."""
        return json.loads(self.python("-m", "benchmarks.seed").splitlines()[-1])

    def start(self, name: str, *words: str, **more: str) -> "subprocess.Popen[bytes]":
        log = (self.folder / f"{name}.log").open("ab")
        process = subprocess.Popen(
            [sys.executable, *words], cwd=ROOT, env={**self.environment, **more}, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
        self.processes[name] = process
        return process

    def start_web(self) -> None:
        process = self.start("web", "manage.py", "web")
        wait_for_http(f"http://127.0.0.1:{self.port}/healthz", process)

    def cpu(self, name: str) -> float:
        """CPU time of a process and its children so far [s]."""
        return cpu_seconds(self.processes[name].pid)

    def all_cpu(self) -> float:
        """CPU time of all that runs, Redis among it, and of children that have ended [s]."""
        return sum(cpu_seconds(process.pid) for process in [self.redis, *self.processes.values()])

    def stop(self, *names: str) -> None:
        for name in names or list(self.processes):
            process = self.processes.pop(name)
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(45)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def close(self) -> None:
        self.stop()
        self.redis.terminate()
        self.redis.wait(30)
        if self.environment["DATABASE_URL"]:
            stop_postgres(self.postgres)


@contextmanager
def site(*, postgres: bool = False) -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="jobsite-bench-"))
    running = Site(folder, postgres=postgres)
    try:
        running.python("manage.py", "migrate", "--verbosity", "0")
        yield running
    finally:
        running.close()
        shutil.rmtree(folder, ignore_errors=True)


def family(pid: int) -> list["psutil.Process"]:
    return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and its children, those that have ended included [s]."""
    return sum(sum(process.cpu_times()[:4]) for process in family(pid))


def memory(pid: int) -> float:
    """Resident memory of a process and its children [MB]."""
    return sum(process.memory_info().rss for process in family(pid)) / 1e6


def own_memory(pid: int) -> float:
    """The same without what is mapped from files, such as the database [MB]."""
    return sum(found.rss - found.shared for found in (process.memory_info() for process in family(pid))) / 1e6


def wait_for_http(url: str, process: "subprocess.Popen[bytes]", seconds: float = 60.0) -> None:
    def up() -> bool:
        if process.poll() is not None:
            raise SystemExit(f"the server of {url} ended with {process.returncode}")
        try:
            with urlopen(url, timeout=5):
                return True
        except (URLError, OSError):
            return False

    wait_until(up, seconds, url)


def wait_until(condition: Callable[[], Any], seconds: float, what: str, every: float = 0.05) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"waited {seconds:g} s for {what}")
        time.sleep(every)
