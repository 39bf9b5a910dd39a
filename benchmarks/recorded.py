"""No-op tasks until all are recorded: ours, beside stock results in SQL and in Redis, and none.

The queue is filled first, then the worker starts; the rate is taken from the first tenth done to the last task
recorded, so that no start counts. Ours records Job, Attempt and TaskResult rows, in the keeper's process beside the
workers; "recorded" is what SQL has.
"""

import sqlite3
import time
from argparse import Namespace
from collections.abc import Callable
from statistics import median

import redis

from benchmarks.site import Site, site, wait_until
from benchmarks.told import tell
from jobs.wire import keys

#: (what, pool of Celery, concurrency, our queue, budget)
POOLS = [("prefork 2", "prefork", 2, "cpu", 800.0), ("eventlet 100", "eventlet", 100, "io", None)]
PEERS = ["django-db", "redis", "none"]
#: Tasks a second, and CPU time of all processes, Redis among them, for each [ms].
Figure = tuple[float, float]


def run(options: Namespace) -> None:
    for what, pool, concurrency, queue, budget in POOLS:
        peers: dict[str, list[Figure]] = {name: [] for name in PEERS}
        mine: list[Figure] = []
        for _ in range(options.repeats):
            with site() as here:
                mine.append(ours(here, queue, concurrency, options.tasks))
                for name in PEERS:
                    peers[name].append(stock(here, name, pool, concurrency, options.tasks))
        rate, cpu = _middle(mine)
        for name in PEERS:
            peer_rate, peer_cpu = _middle(peers[name])
            tell(
                f"recorded no-op tasks, {what}", rate, "/s", peer=peer_rate, peer_name=f"stock {name}", budget=budget,
                more_is_better=True, note=f"CPU of all processes {cpu:.2f} and {peer_cpu:.2f} ms a task",
            )  # fmt: skip


def _middle(figures: list[Figure]) -> Figure:
    return median(rate for rate, _ in figures), median(cpu for _, cpu in figures)


def ours(here: Site, queue: str, concurrency: int, tasks: int) -> Figure:
    here.python("-m", "benchmarks.fill", f"noop-{queue}", str(tasks))
    here.start("keeper", "manage.py", "keeper")
    _wait_until_all_read(here)
    here.start("worker", "manage.py", "worker", queue, "--concurrency", str(concurrency))
    database = sqlite3.connect(here.folder / "jobsite.sqlite3", timeout=20)
    final = "SELECT COUNT(*) FROM jobs_job WHERE state = 'SUCCESS' AND kind = ?"
    found = _figure(here, lambda: database.execute(final, (f"noop-{queue}",)).fetchone()[0], tasks)
    database.close()
    here.stop("worker", "keeper")
    return found


def _wait_until_all_read(here: Site) -> None:
    """The keeper has recorded what was submitted: what follows is the tasks' own."""
    client = redis.Redis.from_url(here.environment["REDIS_URL"])

    def all_read() -> bool:
        newest = client.xrevrange(keys.EVENTS, count=1)
        return bool(newest) and newest[0][0] == client.get(keys.RECORDED)

    wait_until(all_read, 120, "the keeper to record what was submitted")


def stock(here: Site, backend: str, pool: str, concurrency: int, tasks: int) -> Figure:
    client = redis.Redis.from_url(here.environment["REDIS_URL"])
    client.flushall()
    if backend == "django-db":
        (here.folder / "stock.sqlite3").unlink(missing_ok=True)
        here.python("-m", "django", "migrate", "-v0", DJANGO_SETTINGS_MODULE="benchmarks.stock_settings")
    here.python("-m", "benchmarks.fill_stock", str(tasks), STOCK_BACKEND="none")
    here.start(
        "stock", "-m", "celery", "-A", "benchmarks.stock", "worker", "-P", pool, "-c", str(concurrency), "-Q", "stock",
        "--loglevel", "error", STOCK_BACKEND=backend,
    )  # fmt: skip
    done: Callable[[], int]
    if backend == "django-db":
        database = sqlite3.connect(here.folder / "stock.sqlite3", timeout=20)
        count = "SELECT COUNT(*) FROM django_celery_results_taskresult"
        done = lambda: database.execute(count).fetchone()[0]  # noqa: E731
    elif backend == "redis":
        # Beside the results a few keys of Celery's own: bindings, the unacknowledged.
        done = lambda: sum(1 for _ in client.scan_iter("celery-task-meta-*", 10_000))  # noqa: E731
    else:
        done = lambda: tasks - client.llen("stock") - client.hlen("unacked")  # noqa: E731
    found = _figure(here, done, tasks)
    here.stop("stock")
    return found


def _figure(here: Site, done: Callable[[], int], tasks: int) -> Figure:
    """From the first tenth to the last."""
    wait_until(lambda: done() >= tasks // 10, 120, "the first tenth of the tasks")
    first, began, cpu = done(), time.perf_counter(), here.all_cpu()
    wait_until(lambda: done() >= tasks, 600, "all tasks", every=0.1)
    count = tasks - first
    return count / (time.perf_counter() - began), (here.all_cpu() - cpu) / count * 1e3
