"""10,000 enabled schedules: a turn in which nothing is due, all due at one moment, and 100 due each second.

Beside stock django-celery-beat: the same rows in a database of its own, its DatabaseScheduler in place of ours. What is
measured is the scheduler: messages stay in their list, no worker takes them. In the last part both run as processes of
their own, ours with the keeper recording beside, and a start's delay is from its due time until its message was seen.
"""

import base64
import json
import time
from argparse import Namespace
from statistics import median, quantiles
from typing import Any

import redis

from benchmarks.site import Site, site
from benchmarks.told import tell
from jobs.wire import keys

COUNT = 10_000
#: Due each second in the last part; [s] that the processes have to read all schedules, and between looks at the list.
RATE, READING, LOOK_EVERY = 100, 20.0, 0.005
STOCK = {"DJANGO_SETTINGS_MODULE": "benchmarks.stock_settings", "STOCK_BACKEND": "django-db"}
LISTS = {"ours": keys.queue("io", 6), "stock": "stock"}


def run(options: Namespace) -> None:
    count = COUNT // 10 if options.quick else COUNT
    rounds = range(options.repeats)
    mine, stock = ([_one(who, "idle", count) for _ in rounds] for who in LISTS)
    tell(f"idle turn, {count:,} schedules", median(each["median"] for each in mine), "ms",
         peer=median(each["median"] for each in stock), peer_name="stock", budget=0.2,
         note=f"a look at all now and then {median(each['sweep'] for each in mine):.0f} ms")  # fmt: skip
    bursts = [_one("ours", "burst", count) for _ in rounds]
    peer = _one("stock", "burst", count)
    told = (
        ""
        if peer["started"] >= count
        else f"stock reckoned from {peer['started']:.0f} started in {peer['seconds']:.0f} s; "
    )
    tell(f"{count:,} due at once", median(each["seconds"] for each in bursts), "s",
         peer=peer["seconds"] / peer["started"] * count, peer_name="stock", budget=8.0,
         note=f"{told}{median(each['cpu'] for each in bursts) / count * 1e3:.2f} ms of its CPU each")  # fmt: skip
    seconds = 5 if options.quick else 20
    (late, cpu), (stock_late, stock_cpu) = (_delays(who, count, seconds) for who in LISTS)
    for name, part in (("median", 50), ("p99", 99)):
        tell(f"start delay, {RATE} due/s, {name}", _percentile(late, part), "s", peer=_percentile(stock_late, part),
             peer_name="stock", budget=1.0 if part == 99 else None,
             note=f"CPU {cpu:.2f} and {stock_cpu:.2f} ms each")  # fmt: skip


def _one(who: str, what: str, count: int) -> dict[str, float]:
    with site() as here:
        return json.loads(_rows(here, who, what, count).splitlines()[-1])


def _rows(here: Site, who: str, what: str, count: int, *more: object) -> str:
    if who == "stock":
        here.python("-m", "django", "migrate", "-v0", **STOCK)
    return here.python(
        "-m", "benchmarks.beat", who, what, str(count), *map(str, more), **(STOCK if who == "stock" else {})
    )


def _delays(who: str, count: int, seconds: int) -> tuple[list[float], float]:
    """Each start's delay [s], what has not started by the end with the delay that it had then; CPU time of one [ms]."""
    with site() as here:
        first = time.time() + READING + count / 250
        _rows(here, who, "rows", count, count // RATE, first, 1 / RATE)
        if who == "ours":
            here.start("keeper", "manage.py", "keeper")
            here.start("beat", "manage.py", "scheduler")
        else:
            here.start("beat", "-m", "celery", "-A", "benchmarks.stock", "beat", "--loglevel", "error", "--schedule",
                       "unused", "--scheduler", "django_celery_beat.schedulers:DatabaseScheduler", **STOCK)  # fmt: skip
        time.sleep(max(0.0, first - 1 - time.time()))
        cpu = here.cpu("beat")
        seen = _watch(here, LISTS[who], first + seconds)
        cpu = here.cpu("beat") - cpu
    due = {number: first + number / RATE for number in range(min(count, seconds * RATE))}
    late = [seen.get(number, first + seconds) - moment for number, moment in due.items()]
    return late, cpu / max(1, len(seen)) * 1e3


def _watch(here: Site, name: str, until: float) -> dict[int, float]:
    """When the message of each schedule was first seen in a list, by the number among its parameters."""
    client: Any = redis.Redis.from_url(here.environment["REDIS_URL"])
    seen: dict[int, float] = {}
    length = 0
    while (now := time.time()) < until:
        fresh = client.lrange(name, 0, -length - 1)  # pushed on the left of those that were seen
        length += len(fresh)
        for envelope in fresh:
            kwargs = json.loads(base64.b64decode(json.loads(envelope)["body"]))[1]
            seen.setdefault(int(kwargs["x"]), now)
        time.sleep(LOOK_EVERY)
    return seen


def _percentile(values: list[float], part: int) -> float:
    return quantiles(values, n=100)[part - 1]
