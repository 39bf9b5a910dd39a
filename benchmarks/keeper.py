"""The keeper alone: a stream that was filled before, recorded into all tables. Run within a site's environment.

    python -m benchmarks.keeper JOBS

Each job gives three events (queued, started, ended), so that its Job row, its Attempt and its TaskResult are
written. Prints one line of JSON: events, seconds, and the keeper's CPU time [s].
"""

import json
import sys
import time

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402

from jobs.core import heap  # noqa: E402
from jobs.keeper.stream import Reader  # noqa: E402
from jobs.models import Job  # noqa: E402
from jobs.models.job import new_id  # noqa: E402
from jobs.wire import events, keys  # noqa: E402
from jobs.wire.connection import redis_client  # noqa: E402


def fill(count: int) -> int:
    """Accepted jobs, and the events of their ways; answers the number of events."""
    owner = get_user_model().objects.get_or_create(username="keeper-bench")[0]
    ids = [new_id() for _ in range(count)]
    Job.objects.bulk_create(
        [
            Job(id=job, kind="email", title="To one@example.org: Hello", owner=owner, queue="io", via="api",
                params={"subject": "Hello", "to": "one@example.org"}, search="hello one example org email")
            for job in ids
        ],
        batch_size=500,
    )  # fmt: skip
    user, redis = str(owner.pk), redis_client()
    for start in range(0, count, 1000):
        pipe = redis.pipeline(transaction=False)
        some = ids[start : start + 1000]
        for job in some:
            _add(pipe, events.encode(events.QUEUED, job, 1, user, kind="email", queue="io"))
        for job in some:
            _add(pipe, events.encode("STARTED", job, 1, user, worker="io@bench", pid=4242))
        for job in some:
            result = json.dumps({"summary": "Sent to 1 recipient.", "sent": 1})
            _add(pipe, events.encode("SUCCESS", job, 1, user, worker="io@bench", pid=4242, task="jobs.email",
                                     result=result, children=[]))  # fmt: skip
        pipe.execute()
    return 3 * count


def _add(pipe: object, event: str) -> None:
    pipe.xadd(keys.EVENTS, {"e": event})


def record(expected: int) -> tuple[int, float, float]:
    """(events, seconds, CPU seconds)"""
    reader, done = Reader(), 0
    heap.settle()  # as the keeper does when it starts
    cpu, began = time.process_time(), time.perf_counter()
    while done < expected:
        done += reader.step(0.1)
    return done, time.perf_counter() - began, time.process_time() - cpu


def main() -> None:
    redis_client().delete(keys.EVENTS)
    expected = fill(int(sys.argv[1]))
    done, seconds, cpu = record(expected)
    final = Job.objects.filter(owner__username="keeper-bench").exclude(state="SUCCESS").count()
    if final:
        raise SystemExit(f"{final} jobs were not recorded")
    print(json.dumps({"events": done, "seconds": seconds, "cpu": cpu}))


if __name__ == "__main__":
    main()
