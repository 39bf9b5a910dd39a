"""What a task costs in each pool, and what a thousand waiting ones hold.

No-ops through one worker each, eventlet 100 and prefork 2, in the same run, with the CPU time that each takes (other
work on the machine disturbs that least); then 1,000 jobs that sleep, at once in one eventlet worker, and its memory.
No keeper runs: what is measured is the worker.
"""

import os
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from benchmarks.site import ROOT
from benchmarks.told import tell

POOLS = {"eventlet": 100, "prefork": 2}


def noops(stand: Any, pool: str, concurrency: int, seconds: float) -> tuple[float, float]:
    """Tasks a second, and CPU time of the worker for each, its warm-up included [ms]."""
    from jobs.sweep.measure import Load

    stand.start_worker(pool, concurrency)
    master = psutil.Process(stand.worker_pid)
    family = [master, *master.children(recursive=True)]
    load = Load("none", {}, concurrency)
    before = sum(sum(process.cpu_times()[:2]) for process in family)
    figures = load.run(seconds)
    spent = sum(sum(process.cpu_times()[:2]) for process in family) - before
    stand.stop_worker()
    return figures.rate, spent / max(1, len(figures.times)) * 1e3


def a_thousand(stand: Any) -> None:
    from jobs.sweep.measure import QUEUE
    from jobs.wire import keys
    from jobs.wire.connection import redis_client
    from jobs.wire.publish import Message, publish

    stand.start_worker("eventlet", 1000)
    idle = stand.memory()
    jobs = [f"sleep-{number}" for number in range(1000)]
    begun = time.monotonic()
    publish(
        Message(job=job, task="jobs.sleep", attempt=1, queue=QUEUE, priority=6, kwargs={"seconds": 60}) for job in jobs
    )
    while True:
        pipe = redis_client().pipeline(transaction=False)
        for job in jobs:
            pipe.hget(keys.run(job), "phase")
        if pipe.execute().count("running") == len(jobs):
            break
        if time.monotonic() - begun > 60:
            raise SystemExit("not all 1,000 jobs ran at once within 60 s")
        time.sleep(0.2)
    took = time.monotonic() - begun
    tell(
        "memory of a worker with 1,000 sleeping at once", stand.memory(), "MB", budget=400,
        note=f"{idle:,.0f} MB idle; all slept after {took:.1f} s",
    )  # fmt: skip
    stand.stop_worker()


def run(options: Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="jobsite-bench-") as folder:
        # In a process of its own: what stands there is in its environment for good.
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "jobsite.settings", "VAR_DIR": folder}
        words = [sys.executable, "-m", "benchmarks.pools", folder, str(options.repeats), str(options.seconds)]
        subprocess.run(words, cwd=ROOT, env=environment, check=True)


def measure(folder: Path, repeats: int, seconds: float) -> None:
    import django

    django.setup()
    from jobs.sweep.stand import Stand

    found: dict[str, list[tuple[float, float]]] = {pool: [] for pool in POOLS}
    with Stand(folder, 0.2) as stand:
        for _ in range(repeats):
            for pool, concurrency in POOLS.items():
                found[pool].append(noops(stand, pool, concurrency, seconds))
        rates = {pool: median(rate for rate, _ in figures) for pool, figures in found.items()}
        each = {pool: median(cpu for _, cpu in figures) for pool, figures in found.items()}
        tell(
            "no-op tasks, eventlet 100", rates["eventlet"], "/s", peer=rates["prefork"], peer_name="prefork 2",
            more_is_better=True, note=f"CPU {each['eventlet']:.2f} and {each['prefork']:.2f} ms a task",
        )  # fmt: skip
        a_thousand(stand)


if __name__ == "__main__":
    measure(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
