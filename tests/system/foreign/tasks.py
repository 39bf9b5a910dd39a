"""Celery tasks as other people write them: nothing in here knows of Jobsite."""

import datetime as dt
import os
import signal
import time
from pathlib import Path

from celery import shared_task
from celery.contrib.abortable import AbortableTask
from celery.exceptions import Ignore, Reject


@shared_task
def add(x, y):
    return x + y


@shared_task(bind=True)
def double_then_add(self, x, y):
    raise self.replace(add.s(x, x) | add.s(y))


@shared_task(ignore_result=True)
def forgetful(x):
    return x


@shared_task(bind=True)
def with_progress(self, total, file):
    """Done once there is such a file."""
    for number in range(total):
        self.update_state(state="PROGRESS", meta={"current": number + 1, "total": total})
    until = time.monotonic() + 120
    while not Path(file).exists() and time.monotonic() < until:
        time.sleep(0.05)
    return {"SUCCESS": total}


@shared_task(bind=True, max_retries=3)
def stubborn(self, failures):
    if self.request.retries < failures:
        raise self.retry(exc=ValueError(f"failure {self.request.retries + 1}"), countdown=0.2)
    return self.request.retries


@shared_task(bind=True, ignore_result=True, max_retries=3)
def stubborn_and_forgetful(self, failures):
    if self.request.retries < failures:
        raise self.retry(exc=ValueError(f"failure {self.request.retries + 1}"), countdown=0.2)


@shared_task
def gives_up(why):
    raise Ignore(why)


@shared_task(bind=True)
def fails_by_hand(self):
    self.update_state(state="FAILURE", meta={"exc_type": "ByHand", "exc_message": ["its own words"], "exc_module": "m"})
    raise Ignore


@shared_task(bind=True)
def puts_itself_back(self):
    if not self.request.delivery_info["redelivered"]:
        raise Reject("not yet", requeue=True)
    return self.request.retries


@shared_task
def rejects(why):
    raise Reject(why, requeue=False)


@shared_task(bind=True)
def counted(self, key, seconds=0.0, fails=False):
    """Count its runs where no retry is meant to go unseen."""
    from jobs.wire.connection import redis_client

    client = redis_client()
    number = client.incr(f"test:runs:{key}")
    assert client.incr(f"test:at-once:{key}") == 1, "two of one id at a time"
    time.sleep(seconds)
    client.decr(f"test:at-once:{key}")
    if fails:
        raise ValueError(f"run {number} failed")
    return number


@shared_task(bind=True, base=AbortableTask)
def abortable(self, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if self.is_aborted():
            return "aborted"
        time.sleep(0.05)
    return "whole"


@shared_task(bind=True, reject_on_worker_lost=True)
def dies_at_first(self, key, times):
    """Says how often it has begun, and whether its message says that it comes again."""
    from jobs.wire.connection import redis_client

    number = redis_client().incr(f"test:runs:{key}")
    if number <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return [number, self.request.delivery_info["redelivered"]]


@shared_task
def dies():
    os.kill(os.getpid(), signal.SIGKILL)


@shared_task(bind=True, acks_on_failure_or_timeout=False, time_limit=1)
def too_slow_at_first(self, key):
    from jobs.wire.connection import redis_client

    if redis_client().incr(f"test:runs:{key}") == 1:
        time.sleep(60)
    return "in time"


@shared_task(bind=True)
def marks_another(self, task_id):
    self.update_state(task_id=task_id, state="SENT", meta={"by": "another"})


@shared_task
def not_a_number():
    return {"mean": float("nan"), "most": float("inf")}


@shared_task(bind=True)
def starts_others(self):
    """Has children, and a result that no event carries whole."""
    add.delay(1, 2)
    return "x" * 100_000


@shared_task
def nap(seconds):
    time.sleep(seconds)
    return seconds


@shared_task
def tell_secret(password):
    return len(password)


@shared_task
def talk():
    import logging

    print("printed")
    logging.getLogger("somebody.else").warning("logged")


@shared_task
def appointment(at: dt.datetime, password: str, *, fails: bool = False):
    if fails:
        raise ValueError(f"{at:%H:%M} {len(password)}")
    return [type(at).__name__, at.isoformat(), password]


@shared_task
def fail_at(at):
    raise ValueError(f"{type(at).__name__} {at:%H:%M}")


def _sent(self, *args, **kwargs):
    """What its message said."""
    request = self.request
    return {
        "args": args, "kwargs": kwargs, "tenant": request.get("tenant"), "beat": request.get("periodic_task_name"),
        "priority": request.delivery_info["priority"], "expires": request.expires,
    }  # fmt: skip


nightly_sync = shared_task(bind=True, name="jobs.nightly-sync")(_sent)
nightly_report = shared_task(bind=True, name="celery.nightly_report")(_sent)
