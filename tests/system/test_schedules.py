"""Schedules with real schedulers and workers: every run becomes one job, whatever is killed."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from itertools import pairwise

import pytest
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from django_celery_results.models import TaskResult

from jobs.core.states import FINAL
from jobs.models import Job, Lease, Schedule
from tests.system.stack import at_best, wait_for

EVERY_SECOND = {"every": 1, "period": "seconds"}


@pytest.fixture
def every_second(api):
    """Makes a schedule that runs each second; deletes it after the test."""
    made = []

    def make(kind, params):
        body = {"name": f"{kind} {timezone.now():%H:%M:%S.%f}", "kind": kind, "params": params, **EVERY_SECOND}
        answer = api.post("schedules", json=body)
        assert answer.status_code == 201, answer.text
        made.append(answer.json()["id"])
        return Schedule.objects.get(pk=made[-1])

    yield make
    for pk in made:
        api.delete(f"schedules/{pk}")


def jobs_of(schedule):
    return list(Job.objects.filter(schedule=schedule, slot__isnull=False).order_by("slot"))


def more_than(schedule, count, seconds=30.0):
    return wait_for(lambda: len(found := jobs_of(schedule)) > count and found, seconds, f"more than {count} runs")


def stop(api, schedule):
    """Pause; answers its jobs once all have ended."""
    assert api.patch(f"schedules/{schedule.pk}", json={"enabled": False}).status_code == 200
    # A run that was being started at that moment is there once its successor is not planned.
    wait_for(lambda: Schedule.objects.get(pk=schedule.pk).next_run_at is None, 10, "the pause")
    return wait_for(
        lambda: (found := jobs_of(schedule)) and all(job.state in FINAL for job in found) and found,
        60,
        "the end of all",
    )


def check_each_once(schedule, jobs):
    """Each slot has one job, ran once, and slots are a second apart at least."""
    slots = [job.slot for job in jobs]
    assert all(after - before >= timedelta(seconds=0.999) for before, after in pairwise(slots))
    assert {job.state for job in jobs} == {"SUCCESS"}
    assert all(list(job.attempts.values_list("number", "state")) == [(1, "SUCCESS")] for job in jobs)
    schedule.task.refresh_from_db()
    assert schedule.task.total_run_count == len(jobs)


def test_a_schedule_of_each_pool_makes_jobs_that_know_it(stack, api, every_second):
    for kind, params, pool in (("add", {"x": 2, "y": 3}, "io"), ("compute", {"below": 1000}, "cpu")):
        made = timezone.now()
        schedule = every_second(kind, params)
        assert (more_than(schedule, 2)[0].created - made).total_seconds() < 5
        jobs = stop(api, schedule)
        check_each_once(schedule, jobs)
        assert {(job.via, job.kind, job.queue, job.owner.username) for job in jobs} == {
            ("schedule", kind, pool, "admin")
        }
        late = [(job.created - job.slot).total_seconds() for job in jobs]
        assert min(late) >= 0 and max(late) < 5, late
        shown = api.get(f"schedules/{schedule.pk}").json()
        assert shown["last_job"]["id"] == jobs[-1].id and shown["next_runs"] == []


def test_killed_and_started_again_it_runs_no_slot_twice(stack, api, every_second):
    schedule = every_second("add", {"x": 1, "y": 1})
    before = more_than(schedule, 1)
    for _ in range(2):
        stack.kill("scheduler")
        stack.start("scheduler")
        # The new one waits for the dead one's lease to end, then makes up for the first run that was missed.
        before = more_than(schedule, len(before) + 1, 40)
    check_each_once(schedule, stop(api, schedule))


def test_two_schedulers_run_no_slot_twice_and_one_takes_over(stack, api, every_second):
    stack.start("scheduler2")
    try:
        schedule = every_second("add", {"x": 1, "y": 1})

        def longest_gap():
            """[s] between two runs, while the one that leads is killed and the other takes over."""
            done = len(more_than(schedule, 3))
            holder = Lease.objects.get(name="scheduler").holder
            leader = next(name for name in ("scheduler", "scheduler2") if f":{stack.processes[name].pid}:" in holder)
            stack.kill(leader)
            jobs = more_than(schedule, done + 3, 40)[done - 1 :]
            stack.start(leader)
            return max((after.created - before.created).total_seconds() for before, after in pairwise(jobs))

        at_best(longest_gap, 10, "seconds until the other takes over")
        check_each_once(schedule, stop(api, schedule))
    finally:
        stack.kill("scheduler2", 15)


def test_one_that_ends_in_order_hands_over_at_once(stack, api, every_second):
    schedule = every_second("add", {"x": 1, "y": 1})

    def longest_gap():
        """[s] between the times of two runs, while the only scheduler ends in order and the next one starts."""
        done = len(more_than(schedule, 1))
        stack.kill("scheduler", 15)
        assert not Lease.objects.filter(name="scheduler").exists()
        stack.start("scheduler")
        jobs = more_than(schedule, done + 2, 40)[done - 1 :]
        return max((after.slot - before.slot).total_seconds() for before, after in pairwise(jobs))

    at_best(longest_gap, 12, "seconds without a run")
    check_each_once(schedule, stop(api, schedule))


#: Another code base, as somebody's own Celery has it: no Django, nothing of Jobsite.
WAREHOUSE = """
import os, celery, redis
app = celery.Celery("warehouse", broker=os.environ["REDIS_URL"], backend=os.environ["REDIS_URL"])
@app.task(name="warehouse.count", bind=True)
def count(self, what, fails=False):
    number = redis.Redis.from_url(os.environ["REDIS_URL"]).incr("test:counted:" + what)
    if fails:
        raise LookupError("no " + what)
    return {"number": number, "tenant": self.request.get("tenant")}
"""


@pytest.fixture
def warehouse(stack, tmp_path):
    (tmp_path / "warehouse.py").write_text(WAREHOUSE)
    worker = subprocess.Popen(
        [sys.executable, "-m", "celery", "-A", "warehouse", "worker", "-P", "solo", "-Q", "stock", "-l", "ERROR"],
        cwd=tmp_path, env={"PATH": os.environ["PATH"], "REDIS_URL": os.environ["REDIS_URL"]},
    )  # fmt: skip
    yield
    worker.terminate()
    worker.wait(20)


@pytest.fixture
def once():
    """Makes a schedule of stock beat's that has one run, which is due; deletes it after the test."""
    made = []

    def make(task, **fields):
        second = IntervalSchedule.objects.get_or_create(every=1, period="seconds")[0]
        name = f"{task} {timezone.now():%H:%M:%S.%f}"
        made.append(PeriodicTask.objects.create(name=name, task=task, interval=second, one_off=True, **fields))
        return made[-1]

    yield make
    for task in made:
        task.delete()


def only_job(task, seconds=60.0):
    return wait_for(lambda: Job.objects.filter(schedule__task=task, state__in=FINAL).first(), seconds, "its one job")


def test_tasks_called_as_if_they_were_ours_or_celerys_run_with_what_the_schedule_says(stack, once):
    tasks = [
        once(name, args='["a"]', kwargs='{"b": 2}', priority=255, headers='{"tenant": "north"}', expire_seconds=600)
        for name in ("jobs.nightly-sync", "celery.nightly_report")
    ]
    for task in tasks:
        job = only_job(task)
        assert (job.state, job.is_kind, job.kind, job.attempt) == ("SUCCESS", False, task.task, 1)
        told = json.loads(job_result(job.id))
        assert told["args"] == ["a"] and told["kwargs"] == {"b": 2} and told["tenant"] == "north"
        assert told["priority"] == 255 and told["expires"] and told["beat"] == task.name
        assert TaskResult.objects.get(task_id=job.id).periodic_task_name == task.name


def test_what_nobody_has_begun_when_it_expires_is_told_as_that(stack, once):
    stack.kill("cpu", 15)
    try:
        task = once("jobs.nightly-sync", expire_seconds=1)
        job = wait_for(lambda: Job.objects.filter(schedule__task=task, published_at__isnull=False).first(), 30, "a job")
        wait_for(lambda: timezone.now() > job.created + timedelta(seconds=2), 10, "its expiry")
    finally:
        stack.start("cpu")
    job = only_job(task)
    assert job.state == "REVOKED" and "expired" in job.error


def test_a_plain_worker_of_another_code_base_gets_each_run_once_and_its_result_is_told(stack, once, warehouse):
    good = once("warehouse.count", args='["bolts"]', queue="stock", headers='{"tenant": "north"}', priority=5)
    bad = once("warehouse.count", args='["nuts", true]', queue="stock")
    done, failed = only_job(good), only_job(bad)
    assert (done.state, done.attempt) == ("SUCCESS", 1)
    assert json.loads(job_result(done.id)) == {"number": 1, "tenant": "north"}
    assert (failed.state, failed.error_type, failed.error) == ("FAILURE", "LookupError", "no nuts")
    assert [int(stack.redis().get(f"test:counted:{what}")) for what in ("bolts", "nuts")] == [1, 1]


def job_result(job_id):
    return TaskResult.objects.get(task_id=job_id).result
