"""The plugin that runs inside the suite's pytest: a worker of ours in place of its own, and what each test came to.

The suite itself is not changed. It asks `celery.contrib.testing.worker` for a worker once; here that is a process of
its own (SUITE_WORKER=process), or the suite's worker thread with the signals sent that `celery worker` sends
(embedded), without which nothing of Jobsite would be in it.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

IS_OURS = os.environ["SUITE_SIDE"] == "ours"
POOL = os.environ["SUITE_POOL"]
IS_PROCESS = os.environ["SUITE_WORKER"] == "process"
#: [s] until a started worker answers.
START = 60.0


def take_our_backend() -> None:
    """`redis://` itself is ours: many tests skip themselves unless the backend's URL begins so."""
    from celery.app.backends import BACKEND_ALIASES

    BACKEND_ALIASES["redis"] = "jobs.worker.backend:Backend"


@contextmanager
def _worker_process(app: Any, **_: Any) -> Iterator[Any]:
    from celery.utils.nodenames import anon_nodename

    # The name that a worker in this process would have: tests ask for it by that.
    words = [
        "--pool", POOL, "--concurrency", "1" if POOL == "prefork" else "20", "--loglevel", "INFO",
        "--hostname", anon_nodename(), "--without-mingle", "--without-gossip", "--without-heartbeat",
    ]  # fmt: skip
    with Path(os.environ["SUITE_FOLDER"], "worker.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "tests.celery_suite.worker", "worker", *words],
            stdout=log,
            stderr=log,
        )
    try:
        until = time.monotonic() + START
        while not app.control.ping(timeout=1):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError("the worker does not answer; see worker.log")
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _announce_embedded() -> None:
    """The two signals that `celery worker` sends and a worker in a thread does not."""
    from celery import signals
    from celery.contrib.testing.worker import TestWorkController

    start = TestWorkController.on_start

    def on_before_init(self: Any, **options: Any) -> None:
        signals.celeryd_init.send(sender=self.hostname, instance=self, conf=self.app.conf, options=options)

    def on_start(self: Any) -> None:
        start(self)
        signals.celeryd_after_setup.send(sender=self.hostname, instance=self, conf=self.app.conf)

    TestWorkController.on_before_init = on_before_init
    TestWorkController.on_start = on_start


def pytest_configure(config: pytest.Config) -> None:
    if IS_OURS:
        import django

        take_our_backend()
        django.setup()
    if IS_OURS and not IS_PROCESS:
        _announce_embedded()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Only now: tests that import `start_worker` themselves want the worker in a thread that it is."""
    if IS_PROCESS:
        from celery.contrib.testing import worker

        worker.start_worker = _worker_process


#: Of a test's three phases the worst counts.
_WEIGHT = {"passed": 0, "skipped": 1, "xfailed": 1, "xpassed": 1, "failed": 2, "error": 3}


class Outcomes:
    """One line of JSON a test, written as it ends: a run that hangs has told what came before."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("a")
        self.worst: dict[str, Any] = {}

    def pytest_runtest_logreport(self, report: Any) -> None:
        outcome = report.outcome
        if hasattr(report, "wasxfail"):
            outcome = "xpassed" if report.passed else "xfailed"
        elif report.failed and report.when != "call":
            outcome = "error"
        seen = self.worst.setdefault("outcome", "passed")
        if _WEIGHT[outcome] > _WEIGHT[seen]:
            self.worst.update(outcome=outcome, why=str(report.longrepr or "")[-3000:])
        if report.when == "call":
            self.worst["seconds"] = round(report.duration, 1)
        if report.when == "teardown":
            self.file.write(json.dumps({"test": report.nodeid, **self.worst}) + "\n")
            self.file.flush()
            self.worst = {}

    def pytest_collectreport(self, report: Any) -> None:
        if not report.passed:
            outcome = "error" if report.failed else "skipped"
            line = {"test": report.nodeid, "outcome": outcome, "why": str(report.longrepr)[-3000:]}
            self.file.write(json.dumps(line) + "\n")
            self.file.flush()


def pytest_sessionstart(session: pytest.Session) -> None:
    session.config.pluginmanager.register(Outcomes(Path(os.environ["SUITE_FOLDER"], "outcomes.jsonl")))
