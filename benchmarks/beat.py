"""One scheduler in this process, with as many schedules: its idle turns, or all runs due at one moment.

    python -m benchmarks.beat ours|stock rows|idle|burst COUNT [EVERY FIRST STEP]

Within a site's environment; for `stock` with the settings benchmarks.stock_settings. `rows` only makes the schedules:
each runs every EVERY seconds, the first at the moment FIRST, each further one STEP seconds later.
Prints one line of JSON.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import django
import redis

django.setup()

from django.utils import timezone  # noqa: E402
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks  # noqa: E402

from jobs.wire import keys  # noqa: E402

#: [s] until the runs of a burst are due, for which all must be loaded; and for which stock's is watched at most.
AHEAD, WATCHED = 5.0, 60.0
DAY = 86_400


def make_rows(mine: bool, count: int, every: int, first: datetime, step: float) -> None:
    rule = IntervalSchedule.objects.create(every=every, period="seconds")
    task, params = ("jobs.add", {"y": 2}) if mine else ("stock.noop", {})
    PeriodicTask.objects.bulk_create(
        [
            PeriodicTask(
                name=f"schedule {number}", task=task, interval=rule, date_changed=timezone.now(),
                kwargs=json.dumps({**params, "x": number}),
                last_run_at=first + timedelta(seconds=number * step - every),
            )
            for number in range(count)
        ],
        batch_size=500,
    )  # fmt: skip
    PeriodicTasks.update_changed()
    if mine:
        from django.contrib.auth import get_user_model

        from jobs.models import Schedule
        from jobs.schedules.reckon import reckon_all

        reckon_all()
        Schedule.objects.update(owner=get_user_model().objects.create_user("beat"))


def ticker(mine: bool) -> Callable[[], Any]:
    """The scheduler's turn, once it has read what there is."""
    if mine:
        from jobs.schedules.scheduler import Clock

        tick: Callable[[], Any] = Clock().tick
    else:
        from django_celery_beat.schedulers import DatabaseScheduler

        from benchmarks.stock import app

        tick = DatabaseScheduler(app=app).tick
    tick()
    return tick


def idle(tick: Callable[[], Any], mine: bool) -> dict[str, float]:
    times = []
    for _ in range(2000 if mine else 50):
        began = time.perf_counter()
        tick()
        times.append(time.perf_counter() - began)
    return {"median": statistics.median(times) * 1e3, "sweep": sweep() * 1e3 if mine else 0.0}


def sweep() -> float:
    """Seconds of ours to look for changes made behind its back, which it does every few."""
    from jobs.schedules.reckon import reckon_all

    began = time.perf_counter()
    reckon_all()
    return time.perf_counter() - began


def burst(tick: Callable[[], Any], mine: bool, due: datetime, count: int) -> dict[str, float]:
    """Seconds from the due moment to the last message, and the messages; stock's that long at most."""
    started = started_by(mine)
    time.sleep(max(0.0, due.timestamp() - time.time()))
    cpu = time.process_time()
    while started() < count and (mine or time.time() - due.timestamp() < WATCHED):
        tick()
    return {
        "seconds": time.time() - due.timestamp(),
        "started": started(),
        "cpu": time.process_time() - cpu,
    }


def started_by(mine: bool) -> Callable[[], int]:
    client = redis.Redis.from_url(os.environ["REDIS_URL"])
    return lambda: client.llen(keys.queue("io", 6) if mine else "stock")


def main(who: str, what: str, count: int, every: int = DAY, first: float = 0.0, step: float = 0.0) -> None:
    mine = who == "ours"
    ahead = AHEAD + count / 500 if what == "burst" else DAY / 2
    due = datetime.fromtimestamp(first or time.time() + ahead, UTC)
    make_rows(mine, count, every, due, step)
    found: dict[str, float] = {}
    if what == "idle":
        found = idle(ticker(mine), mine)
    elif what == "burst":
        found = burst(ticker(mine), mine, due, count)
    print(json.dumps(found))


if __name__ == "__main__":
    words = [*sys.argv[1:], *("", "", "")][:6]
    main(words[0], words[1], int(words[2]), int(words[3] or DAY), float(words[4] or 0), float(words[5] or 0))
