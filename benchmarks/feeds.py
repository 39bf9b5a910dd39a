"""1,000 feeds of 8 KB, each answering after 200 ms, through one io worker; prefork with two processes beside it.

"fetched" is from the start of one job's fetching to the last body, "read" to the last item written. "a job for each
URL" is the kind http, from the first tenth of the jobs recorded to the last: on the event loop, and as the peer on a
cpu worker with two processes, where a job that waits holds a process. The server runs on the same cores.
"""

import json
import sqlite3
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from benchmarks.site import ROOT, Site, memory, site, wait_until
from benchmarks.told import tell

URLS = 1_000
#: A job for each of so few URLs on prefork: at nine a second a thousand would take two minutes.
PEER_URLS = 100
BUDGET = 500.0


def run(options: Namespace) -> None:
    urls, peer_urls = (300, 30) if options.quick else (URLS, PEER_URLS)
    fan_out: list[dict[str, Any]] = []
    each: list[float] = []
    peer: list[float] = []
    with feed_server() as url, site() as here:
        here.environment["ALLOW_PRIVATE_URLS"] = "true"
        here.start("keeper", "manage.py", "keeper")
        here.start("io", "manage.py", "worker", "io", "--concurrency", "500")
        gather(here, url, urls)  # starts the readers, and imports what is imported once
        for _ in range(options.repeats):
            fan_out.append(gather(here, url, urls))
        used = memory(here.processes["io"].pid)
        here.stop("io")
        for _ in range(options.repeats):
            each.append(one_by_one(here, url, "io", 500, urls))
            peer.append(one_by_one(here, url, "cpu", 2, peer_urls))
    tell(
        "feeds fetched, one job on worker io", median([found["fetched_per_second"] for found in fan_out]), "/s",
        peer=median(peer), peer_name="prefork 2", budget=BUDGET, more_is_better=True, note=f"{used:,.0f} MB",
    )  # fmt: skip
    tell("feeds fetched and read, the same job", median([found["finished_per_second"] for found in fan_out]), "/s")
    tell("reading one feed, beside the loop", median([found["reading_ms_each"] for found in fan_out]), "ms")
    tell(
        "URLs fetched, a job for each, worker io", median(each), "/s",
        peer=median(peer), peer_name="prefork 2", more_is_better=True,
    )  # fmt: skip


@contextmanager
def feed_server() -> Iterator[str]:
    """The URL of a server of feeds in a process of its own."""
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.feed_server", "--delay", "0.2", "--size", "8192"],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdin and server.stdout
    try:
        yield server.stdout.readline().strip()
    finally:
        server.stdin.close()
        server.wait(10)


def gather(here: Site, url: str, count: int) -> dict[str, Any]:
    """The result of one job that fetches all URLs."""
    job = here.python("-m", "benchmarks.fill_feeds", "feeds", url, str(count)).split()[-1]
    database = sqlite3.connect(here.folder / "jobsite.sqlite3", timeout=20)
    query = "SELECT result, status FROM django_celery_results_taskresult WHERE task_id = ?"
    wait_until(lambda: database.execute(query, (job,)).fetchone(), 120, "the feeds job")
    result, status = database.execute(query, (job,)).fetchone()
    database.close()
    if status != "SUCCESS" or json.loads(result)["answered"] != count:
        raise SystemExit(f"the feeds job ended as {status}: {result[:500]}")
    return json.loads(result)


def one_by_one(here: Site, url: str, queue: str, concurrency: int, count: int) -> float:
    """[1/s] of a job for each URL, submitted before the worker starts."""
    database = sqlite3.connect(here.folder / "jobsite.sqlite3", timeout=20)

    def finished() -> int:
        query = "SELECT COUNT(*) FROM jobs_job WHERE kind = 'http' AND state = 'SUCCESS'"
        return database.execute(query).fetchone()[0]

    before = finished()
    here.python("-m", "benchmarks.fill_feeds", "http", url, str(count), queue)
    worker = here.start(f"{queue}-http", "manage.py", "worker", queue, "--concurrency", str(concurrency))

    def are_done(wanted: int) -> bool:
        if worker.poll() is not None:
            raise SystemExit(f"worker {queue} ended: {(here.folder / f'{queue}-http.log').read_text()[-500:]}")
        return finished() - before >= wanted

    wait_until(lambda: are_done(count // 10), 120, "the first tenth of the jobs")
    first, began = finished() - before, time.perf_counter()
    wait_until(lambda: are_done(count), 300, "all jobs", every=0.02)
    rate = (count - first) / (time.perf_counter() - began)
    here.stop(f"{queue}-http")
    database.close()
    return rate
