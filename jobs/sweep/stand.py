"""What a sweep stands on: a Redis, a feed server and one worker at a time, all in a folder of its own."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from django.conf import settings

from jobs.supervisor import redis
from jobs.sweep.measure import QUEUE

#: [s] that a worker has to answer: a thousand prefork children would take longer.
START = 60.0


class CannotMeasure(Exception):
    """A process did not do its part; the text says which and what it last said."""


class Stand:
    """Starts Redis and the feed server on entering, stops everything on leaving. `port` is the feed server's.

    While it stands, this process and all that it starts use the stand's own Redis and folder: a site that runs
    beside it notices nothing but the load.
    """

    def __init__(self, folder: Path, latency: float):
        self._folder, self._latency = folder, latency
        self._processes: list[subprocess.Popen[str]] = []
        self._worker: subprocess.Popen[str] | None = None
        self.port = 0

    def __enter__(self) -> "Stand":
        server = self._start(*redis.prepare(self._folder), output="redis.log")
        url = (self._folder / "redis.url").read_text().strip()
        self._wait(lambda: redis.answers(url), server, "redis.log")
        # Before anything in this process has asked for its Redis client, which is made once.
        settings.REDIS_URL = url
        os.environ.update(VAR_DIR=str(self._folder), REDIS_URL=url)
        feeds = self._start(sys.executable, "-m", "jobs.sweep.server", str(self._latency))
        assert feeds.stdout is not None
        self.port = int(feeds.stdout.readline())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop_worker()
        for process in reversed(self._processes):
            process.terminate()
            process.communicate()

    def start_worker(self, pool: str, concurrency: int) -> dict[str, Any]:
        """A worker of that pool, once it answers: its own account of its pool (`inspect stats`)."""
        from celery import Celery

        self._worker = self._start(
            sys.executable, "-W", "ignore", "-m", "celery", "--quiet", "-A", "jobsite", "worker",
            "-P", pool, "-c", str(concurrency), "-Q", QUEUE, "-I", "jobs.sweep.tasks", "-n", f"{QUEUE}@%h",
            "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING",
            output="worker.log",
        )  # fmt: skip
        answers: dict[str, Any] = {}
        with Celery(broker=settings.REDIS_URL, set_as_current=False) as client:
            inspect = client.control.inspect(timeout=1.0, limit=1)

            def asked() -> bool:
                answers.update(inspect.stats() or {})
                return bool(answers)

            self._wait(asked, self._worker, "worker.log")
        account: dict[str, Any] = next(iter(answers.values()))["pool"]
        return account

    @property
    def worker_pid(self) -> int:
        assert self._worker is not None
        return self._worker.pid

    def memory(self) -> float:
        """Resident memory of the worker and its children [MB]; what they share counts once for each."""
        answer = subprocess.run(
            ["ps", "-A", "-o", "pgid=,rss="], capture_output=True, text=True, check=True
        )  # fmt: skip
        rows = (map(int, line.split()) for line in answer.stdout.splitlines())
        return sum(kilobytes for group, kilobytes in rows if group == self.worker_pid) * 1024 / 1e6

    def stop_worker(self) -> None:
        """At once and without a word: nothing of its work is wanted, nor what it leaves in Redis."""
        if self._worker is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._worker.pid, signal.SIGKILL)
        self._worker.wait()
        self._processes.remove(self._worker)
        self._worker = None
        from jobs.wire.connection import redis_client

        redis_client().flushdb()

    def _start(self, *argv: str, output: str = "") -> "subprocess.Popen[str]":
        """In a session of its own, so that Ctrl-C comes here alone and all is stopped in order."""
        with (self._folder / (output or "feeds.log")).open("w") as log:
            process = subprocess.Popen(
                argv, cwd=settings.BASE_DIR, text=True, start_new_session=True,
                stdin=subprocess.PIPE, stdout=log if output else subprocess.PIPE, stderr=log,
            )  # fmt: skip
        self._processes.append(process)
        return process

    def _wait(self, condition: Any, process: "subprocess.Popen[str]", log: str) -> None:
        until = time.monotonic() + START
        while not condition():
            if process.poll() is not None or time.monotonic() > until:
                what = "did not answer" if process.poll() is None else f"ended with {process.returncode}"
                last = "\n".join((self._folder / log).read_text().splitlines()[-5:])
                raise CannotMeasure(f"{log.removesuffix('.log')} {what}:\n{last}")
            time.sleep(0.1)
