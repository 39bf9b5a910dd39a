"""One run of the suite: Redis, for ours a keeper as well, and pytest for each of its files."""

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.services import free_port, start_redis

ROOT = Path(__file__).resolve().parents[2]

#: What docs/embedding.md has a project set, for both sides, so that Jobsite's code alone differs; less the queue's
#: name, which the suite fixes, and the default priority, which it reads back. The first fails some tests of `inspect`
#: that expect a message to be acknowledged before its task ends.
SETTINGS = {
    "task_acks_late": True,
    "worker_prefetch_multiplier": 1,
    "broker_transport_options": {
        "visibility_timeout": 120,
        "priority_steps": [0, 3, 6, 9],
        "queue_order_strategy": "priority",
    },
}
#: [s] for one test.
LONGEST_TEST = 300


@dataclass(frozen=True)
class Way:
    """How the suite is run: from which sources, with which pool, in what sort of worker (`inside.py`)."""

    checkout: Path
    pool: str
    worker: str


def run(way: Way, folder: Path, side: str, words: list[str]) -> dict[str, dict[str, Any]]:
    """Each test's outcome, by its name. side: plain or ours."""
    folder.mkdir(parents=True)
    ignored = shutil.ignore_patterns("unit", "smoke", "benchmarks")
    shutil.copytree(way.checkout / "t", folder / "t", ignore=ignored)
    shutil.copy(way.checkout / "pyproject.toml", folder)
    (folder / "integration-tests-config.json").write_text(json.dumps(SETTINGS))
    with ExitStack() as stack:
        port = free_port()
        redis = start_redis(folder / "redis", port)
        stack.callback(_end, redis)
        environment = _environment(way, folder, side, port)
        if side == "ours":
            environment["DJANGO_SETTINGS_MODULE"] = "tests.celery_suite.settings"
            manage = [sys.executable, "-m", "django"]
            subprocess.run([*manage, "migrate", "--verbosity", "0"], cwd=folder, env=environment, check=True)
            log = stack.enter_context((folder / "keeper.log").open("wb"))
            keeper = subprocess.Popen([*manage, "keeper"], cwd=folder, env=environment, stdout=log, stderr=log)
            stack.callback(_end, keeper)
        for file in _files(folder, words):
            subprocess.run(
                [sys.executable, "-m", "pytest", "-p", "celery.contrib.pytest", "-p", "no:celery", "-p", "no:django",
                 "-p", "no:rerunfailures", "-p", "tests.celery_suite.inside", "--timeout", str(LONGEST_TEST), "-q",
                 *file, *words],
                cwd=folder, env=environment, check=False,
            )  # fmt: skip
    lines = (folder / "outcomes.jsonl").read_text().splitlines()
    return {entry["test"]: entry for entry in map(json.loads, lines)}


def _files(folder: Path, words: list[str]) -> list[list[str]]:
    """Each file of tests by itself, with a worker of its own: what one leaves behind is no matter of the next one's.

    Where some were named, these in one go.
    """
    if any(word.startswith("t/") for word in words):
        return [[]]
    return [[str(path.relative_to(folder))] for path in sorted(folder.glob("t/integration/test_*.py"))]


def _environment(way: Way, folder: Path, side: str, port: int) -> dict[str, str]:
    url = f"redis://127.0.0.1:{port}/0"
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # some tests start `celery`
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
        "PYTHONUNBUFFERED": "1",
        "SUITE_FOLDER": str(folder),
        "SUITE_SIDE": side,
        "SUITE_POOL": way.pool,
        "SUITE_WORKER": way.worker,
        "TEST_BROKER": url,
        "TEST_BACKEND": url,
        "REDIS_HOST": "127.0.0.1",
        "REDIS_PORT": str(port),
    }


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGTERM)
    process.wait(30)
