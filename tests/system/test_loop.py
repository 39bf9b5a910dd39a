"""The starved heartbeat: a task that computes in the io pool is noticed and named, and its worker stays alive."""

import json
import time

from jobs.models import Incident
from jobs.submit import submit
from tests.system.stack import wait_for


def beats(stack, node):
    """The beat counter of the worker whose node name begins so."""
    redis = stack.redis()
    for name in redis.smembers("jobsite:workers"):
        beat, info = redis.hmget(f"jobsite:worker:{name}", "beat", "info")
        if info and f'"node": "{node}' in info:
            return int(beat)
    return None


def test_a_task_that_computes_for_five_seconds_is_named_to_the_line_and_the_heartbeat_stays_on_time(stack):
    job = submit("hog", {"seconds": 5})
    stack.running(job)
    began, last, latest = time.monotonic(), beats(stack, "io@"), 0.0
    changed = began
    while time.monotonic() - began < 5:
        now = beats(stack, "io@")
        if now != last:
            latest, last, changed = max(latest, time.monotonic() - changed), now, time.monotonic()
        time.sleep(0.05)
    assert latest < 4.0, "a beat every 2 s, never late by more than 2 s"
    incident = wait_for(lambda: Incident.objects.filter(job__id=job.id).first(), 10, "the incident")
    (job,) = stack.wait([job])
    assert job.state == "SUCCESS" and job.attempts.count() == 1
    incident = wait_for(lambda: Incident.objects.filter(job__id=job.id, seconds__gt=4).first(), 10, "its end")
    assert incident.where.startswith("kinds/examples.py:") and incident.task == "jobs.hog"
    assert incident.worker.startswith("io@")
    # What lasts is told of too: the count is of those that have ended.
    counter = json.dumps([incident.worker, "jobs.hog"])
    wait_for(lambda: stack.redis().hget("jobsite:blocked", counter), 10, "the count of those that ended")
