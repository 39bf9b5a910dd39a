"""Flower with a number of tasks in its memory, replayed into its own state before it serves.

    FLOWER_UNAUTHENTICATED_API=true python -m benchmarks.flower_server PORT TASKS REDIS_URL

Answers on /api/tasks, /api/task/result/ID and the others of Flower's API. The ids are task-0, task-1, …
"""

import random
import sys
import time
from typing import Any

from celery import Celery
from flower.app import Flower
from flower.options import default_options
from flower.urls import settings

from benchmarks.words import ERRORS, KINDS, WORDS, pick_state


def events(count: int) -> Any:
    """Received, started and ended, as a worker sends them."""
    dice = random.Random(7)
    now = time.time() - count
    for number in range(count):
        state = pick_state(dice)
        title = f"{dice.choice(WORDS).title()} {dice.choice(WORDS)} {dice.randrange(1000)}"
        kind = dice.choices(KINDS, [weight for *_, weight in KINDS])[0][0]
        event = {
            "uuid": f"task-{number}", "hostname": f"cpu@host-{number % 4}", "clock": number, "utcoffset": 0, "pid": 42,
        }  # fmt: skip
        at = now + number
        kwargs = repr({"subject": title, "to": "one@example.org"})
        yield {
            **event, "type": "task-received", "name": f"jobs.{kind}", "args": "()", "kwargs": kwargs, "retries": 0,
            "eta": None, "expires": None, "root_id": event["uuid"], "parent_id": None,
            "timestamp": at, "local_received": at,
        }  # fmt: skip
        yield {**event, "type": "task-started", "timestamp": at + 0.1, "local_received": at + 0.1}
        ended = {**event, "timestamp": at + 0.4, "local_received": at + 0.4}
        if state == "SUCCESS":
            yield {**ended, "type": "task-succeeded", "result": f"'{title}: done'", "runtime": 0.3}
        elif state == "FAILURE":
            error_type, error = dice.choice(ERRORS)
            yield {**ended, "type": "task-failed", "exception": f"{error_type}({error!r})", "traceback": error}
        else:
            yield {**ended, "type": "task-revoked", "terminated": True, "signum": "15", "expired": False}


def main() -> None:
    port, tasks, url = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    app = Celery("stock", broker=url, backend=url)
    default_options.max_tasks = max(tasks, 1)
    default_options.port, default_options.address = port, "127.0.0.1"
    flower = Flower(capp=app, options=default_options, **settings)
    for event in events(tasks):
        flower.events.state.event(event)
    flower.start_http_server()
    flower.start()


main()
