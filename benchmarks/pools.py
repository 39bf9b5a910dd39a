"""What a task costs in each pool, and what a thousand waiting ones hold: `python -m benchmarks.pools [--seconds 5]`.

No-ops through one worker each, eventlet 100 and prefork 2, in the same run, with the CPU time that each takes (other
work on the machine disturbs that least); then 1,000 jobs that sleep, at once in one eventlet worker, and its memory.
No keeper runs: what is measured is the worker.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import psutil


def noops(stand, pool: str, concurrency: int, seconds: float) -> None:
    from jobs.sweep.measure import Load

    stand.start_worker(pool, concurrency)
    master = psutil.Process(stand.worker_pid)
    family = [master, *master.children(recursive=True)]
    load = Load("none", {}, concurrency)
    before = sum(sum(process.cpu_times()[:2]) for process in family)
    figures = load.run(seconds)
    spent = sum(sum(process.cpu_times()[:2]) for process in family) - before
    each = spent / max(1, len(figures.times)) * 1e6
    print(f"no-ops  {pool} {concurrency:4}  {figures.rate:7,.0f}/s  {each:6,.0f} us CPU each (warm-up included)")
    stand.stop_worker()


def a_thousand(stand) -> None:
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
    print(f"1,000 sleeping at once after {took:.1f} s: {stand.memory():,.0f} MB ({idle:,.0f} MB idle; bound: 400 MB)")
    stand.stop_worker()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=5.0)
    seconds = parser.parse_args().seconds
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jobsite.settings")
    with tempfile.TemporaryDirectory(prefix="jobsite-bench-") as folder:
        os.environ["VAR_DIR"] = folder
        import django

        django.setup()
        from jobs.sweep.stand import Stand

        print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
        with Stand(Path(folder), 0.2) as stand:
            for pool, concurrency in (("eventlet", 100), ("prefork", 2), ("eventlet", 100), ("prefork", 2)):
                noops(stand, pool, concurrency, seconds)
            a_thousand(stand)


if __name__ == "__main__":
    main()
