"""Schedules with real schedulers and workers: every run becomes one job, whatever is killed."""

from datetime import timedelta
from itertools import pairwise

import pytest
from django.utils import timezone

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
