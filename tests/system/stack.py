"""The whole product as real processes, for tests that use it as people and programs do."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.environment import VAR
from tests.services import free_port, start_redis

ROOT = Path(__file__).resolve().parent.parent.parent
PASSWORD = "correct horse battery"


def wait_for(condition: Callable[[], Any], seconds: float = 30.0, what: str = "") -> Any:
    """The condition's first true value; fails the test after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        is_over = time.monotonic() > deadline  # read first: after a pause of this process comes one more look
        value = condition()
        if value:
            return value
        if is_over:
            raise AssertionError(f"waited {seconds:g} s for {what or condition}; last value: {value!r}")
        time.sleep(0.1)


def at_best(measure: Callable[[], float], limit: float, what: str, rounds: int = 3) -> None:
    """Fails unless a round measures less than the limit: what is slow is so in each, a pause of the machine in one."""
    measured: list[float] = []
    while not measured or measured[-1] >= limit:
        assert len(measured) < rounds, f"{what}: {measured}, expected less than {limit:g} once"
        measured.append(measure())


class Stack:
    """Processes by name: redis, web, keeper, io, cpu, scheduler, mail."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.redis_port = int(re.search(r":(\d+)/", os.environ["REDIS_URL"]).group(1))
        self.logs = VAR / "logs"
        self.logs.mkdir(exist_ok=True)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.token = ""
        python = [sys.executable, "manage.py"]
        self.commands = {
            "web": [*python, "web"],
            "keeper": [*python, "keeper"],
            "keeper2": [*python, "keeper"],
            "io": [*python, "worker", "io", "--concurrency", "100"],
            "cpu": [*python, "worker", "cpu", "--concurrency", "2"],
            "mail": [*python, "mailcatcher", "--port", "0"],
            "scheduler": [*python, "scheduler"],
            "scheduler2": [*python, "scheduler"],
        }

    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "PORT": str(self.port),
            "DJANGO_SETTINGS_MODULE": "tests.system.settings",
            "JOBSITE_ADMIN_PASSWORD": PASSWORD,
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "ALLOW_PRIVATE_URLS": "true",  # the servers that jobs fetch from are on this machine
        }

    def manage(self, *words: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=ROOT, env=self.environment(), capture_output=True, text=True, timeout=120, check=check,
        )  # fmt: skip

    def start(self, *names: str, **more: str) -> None:
        """Start what `commands` names; `more`: what its environment has besides."""
        for name in names:
            log = (self.logs / f"{name}.log").open("ab")
            self.processes[name] = subprocess.Popen(
                self.commands[name],
                cwd=ROOT,
                env={**self.environment(), **more},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, name: str, number: int = signal.SIGKILL, *, group: bool = True) -> None:
        """Send a signal and wait for the end; SIGKILL goes to the whole group, as when a machine stops."""
        process = self.processes.pop(name)
        if group and number == signal.SIGKILL:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        process.wait(60)

    def stop(self) -> None:
        for name in list(self.processes):
            if self.processes[name].poll() is None:
                self.processes[name].send_signal(signal.SIGTERM)
        for name, process in self.processes.items():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                print(f"{name} had to be killed")
        self.processes.clear()

    # --- Redis

    def stop_redis(self, number: int = signal.SIGKILL) -> None:
        redis = self.redis()
        pid = redis.info("server")["process_id"]
        os.kill(pid, number)
        wait_for(lambda: not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes())

    def start_redis(self, *options: str) -> None:
        self.processes["redis"] = start_redis(VAR / "redis", self.redis_port, *REDIS_OPTIONS, *options)

    @staticmethod
    def redis() -> Any:
        from jobs.wire.connection import redis_client

        return redis_client()

    # --- HTTP

    def api(self, token: str | None = None) -> httpx.Client:
        return httpx.Client(
            base_url=f"{self.url}/api/v1/", headers={"Authorization": f"Bearer {token or self.token}"}, timeout=60
        )

    def ready(self) -> dict[str, Any]:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=5).json()
        except (httpx.HTTPError, json.JSONDecodeError):
            return {}

    # --- jobs

    @staticmethod
    def job(job_id: str) -> Any:
        from jobs.models import Job

        return Job.objects.get(id=job_id)

    def told(self, job_id: str) -> list[dict[str, Any]]:
        """Every event of the job, in order; they are kept for ten minutes."""
        events = [json.loads(fields["e"]) for _, fields in self.redis().xrange("jobsite:events")]
        return [event for event in events if event["id"] == job_id]

    def wait(self, jobs: Any, seconds: float = 60.0) -> list[Any]:
        """The jobs once all are final in SQL."""
        from jobs.core.states import FINAL
        from jobs.models import Job

        ids = [job.id for job in jobs]

        def final() -> list[Any]:
            found = {}
            for start in range(0, len(ids), 400):
                found.update({job.id: job for job in Job.objects.filter(id__in=ids[start : start + 400])})
            return [found[i] for i in ids] if all(found[i].state in FINAL for i in ids) else []

        return wait_for(final, seconds, f"{len(ids)} jobs to end: {self.unfinished(ids)}")

    @staticmethod
    def unfinished(ids: list[str]) -> Any:
        class Lazy:
            def __str__(self) -> str:
                from jobs.models import Job

                rows = Job.objects.filter(id__in=ids[:400]).exclude(state__in=["SUCCESS", "FAILURE", "REVOKED"])
                return str(list(rows.values_list("kind", "id", "state", "attempt", "next_check_at")[:5]))

        return Lazy()

    def running(self, job: Any, seconds: float = 30.0) -> Any:
        """The job once a worker has it."""
        return wait_for(
            lambda: self.redis().hget(f"jobsite:run:{job.id}", "phase") == "running", seconds, f"{job.kind} to run"
        )

    @staticmethod
    def before(job: Any, others: list[Any]) -> int:
        """How many of the others its own process started before it. What another process does meanwhile is chance."""
        process = job.attempts.get().pid
        return sum(other.started_at < job.started_at and other.attempts.get().pid == process for other in others)


REDIS_OPTIONS = ("--appendonly", "yes", "--appendfsync", "everysec")
