"""The starved heartbeat: a task that computes in the io pool is noticed and named, and its worker stays alive."""

import json
import time

from jobs.fleet.workers import workers
from jobs.models import Incident
from jobs.submit import submit
from tests.system.stack import at_best, wait_for


def test_a_task_that_computes_for_five_seconds_is_named_to_the_line_and_the_heartbeat_stays_on_time(stack):
    jobs = []

    def longest_silence():
        """[s] without a beat, as Redis tells it, while the job runs."""
        jobs.append(submit("hog", {"seconds": 5}))
        stack.running(jobs[-1])
        silence = 0.0
        while stack.redis().hget(f"jobsite:run:{jobs[-1].id}", "phase") == "running":
            silence = max(silence, min(worker.heard for worker in workers() if worker.name.startswith("io@")))
            time.sleep(0.05)
        return silence

    at_best(longest_silence, 4.0, "a beat every 2 s, never late by more than 2 s")
    job = jobs[-1]
    incident = wait_for(lambda: Incident.objects.filter(job__id=job.id).first(), 10, "the incident")
    (job,) = stack.wait([job])
    assert job.state == "SUCCESS" and job.attempts.count() == 1
    incident = wait_for(lambda: Incident.objects.filter(job__id=job.id, seconds__gt=4).first(), 10, "its end")
    assert incident.where.startswith("kinds/examples.py:") and incident.task == "jobs.hog"
    assert incident.worker.startswith("io@")
    # What lasts is told of too: the count is of those that have ended.
    counter = json.dumps([incident.worker, "jobs.hog"])
    wait_for(lambda: stack.redis().hget("jobsite:blocked", counter), 10, "the count of those that ended")
