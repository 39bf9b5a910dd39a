"""What is killed, stopped or emptied between accepted and final loses, doubles and misreports nothing."""

import random
import signal
import time

from django.db.models import Count
from django_celery_results.models import TaskResult

from jobs.models import Attempt
from jobs.submit import submit, submit_many
from tests.system.stack import wait_for


def is_whole(jobs):
    """Every job final, with one TaskResult that says the same, and attempts numbered without a gap."""
    for job in jobs:
        assert job.state in ("SUCCESS", "FAILURE", "REVOKED")
        assert TaskResult.objects.filter(task_id=job.id).values_list("status", flat=True).get() == job.state
        numbers = list(job.attempts.order_by("number").values_list("number", flat=True))
        assert numbers == list(range(1, job.attempt + 1)), (job.id, numbers, job.attempt)


def test_keeper_killed_in_the_middle_of_500_jobs_records_all_once(stack):
    jobs = submit_many("add", [{"x": n, "y": 0} for n in range(500)])
    for _ in range(3):
        time.sleep(0.3)
        stack.kill("keeper")
        stack.start("keeper")
    jobs = stack.wait(jobs, 90)
    assert all(job.state == "SUCCESS" for job in jobs)
    is_whole(jobs)
    assert not Attempt.objects.values("job", "number").annotate(n=Count("pk")).filter(n__gt=1).exists()


def test_a_second_keeper_stands_by_and_takes_over(stack):
    from jobs.models import Lease

    stack.start("keeper2")
    try:
        holder = wait_for(lambda: Lease.objects.filter(name="keeper").first(), 20).holder
        stack.kill("keeper")
        jobs = stack.wait(submit_many("add", [{}] * 20), 60)
        assert all(job.state == "SUCCESS" for job in jobs)
        assert Lease.objects.get(name="keeper").holder != holder
    finally:
        stack.kill("keeper2", signal.SIGTERM)


def test_a_killed_child_is_told_as_lost_and_its_job_starts_again(stack):
    (job,) = stack.wait([submit("suicide", {"times": 1})], 60)
    assert (job.state, job.attempt) == ("SUCCESS", 2)
    assert list(job.attempts.values_list("state", flat=True)) == ["LOST", "SUCCESS"]


def test_a_job_that_kills_its_worker_every_time_is_ended(stack):
    (job,) = stack.wait([submit("suicide", {"times": 99})], 90)
    assert job.state == "FAILURE" and "vanished 3 times" in job.error
    assert list(job.attempts.values_list("state", flat=True)) == ["LOST"] * 3


def test_a_lost_job_that_must_not_be_repeated_ends_with_its_outcome_unknown(stack):
    io, cpu = submit("once", {"seconds": 90}), submit("cpu-once", {"seconds": 90})
    stack.running(io), stack.running(cpu)
    stack.kill("io"), stack.kill("cpu")
    stack.start("io", "cpu")
    for job in stack.wait([io, cpu], 60):
        assert job.state == "FAILURE" and job.attempt == 1
        assert job.error_type == "OutcomeUnknown"
        assert job.attempts.get().state == "LOST"
        assert "FAILURE" in stack.redis().get(f"celery-task-meta-{job.id}")


def test_a_killed_worker_is_found_and_its_jobs_run_again(stack):
    jobs = [submit("sleep", {"seconds": 8}), submit("cpu-nap", {"seconds": 8})]
    for job in jobs:
        stack.running(job)
    killed = time.monotonic()
    stack.kill("io"), stack.kill("cpu")
    stack.start("io", "cpu")
    wait_for(lambda: all(stack.job(job.id).attempts.filter(state="LOST").exists() for job in jobs), 45, "LOST")
    assert time.monotonic() - killed < 35
    jobs = stack.wait(jobs, 60)
    assert [(job.state, job.attempt) for job in jobs] == [("SUCCESS", 2)] * 2
    is_whole(jobs)


def test_a_worker_that_stops_in_order_loses_nothing(stack):
    jobs = [submit("sleep", {"seconds": 6}), submit("cpu-nap", {"seconds": 6})]
    for job in jobs:
        stack.running(job)
    for name in ("io", "cpu"):
        stack.processes[name].terminate()
    for name in ("io", "cpu"):
        stack.processes.pop(name).wait(60)
    stack.start("io", "cpu")
    jobs = stack.wait(jobs, 60)
    assert [(job.state, job.attempt) for job in jobs] == [("SUCCESS", 1)] * 2


def test_submitted_while_all_workers_are_down_runs_when_they_come(stack):
    stack.kill("io"), stack.kill("cpu")
    jobs = [submit("add", {}), submit("compute", {"below": 100})]
    stack.start("io", "cpu")
    jobs = stack.wait(jobs, 60)
    assert [(job.state, job.attempt) for job in jobs] == [("SUCCESS", 1)] * 2


def test_submitted_while_redis_is_down_is_accepted_and_runs_once_it_is_back(stack):
    stack.stop_redis()
    try:
        began = time.monotonic()
        answer = stack.api().post("jobs", json={"kind": "add", "params": {"x": 20, "y": 22}})
        assert answer.status_code == 202, answer.text
        assert time.monotonic() - began < 5
        job = stack.job(answer.json()["id"])
        assert job.state == "PENDING" and job.published_at is None
    finally:
        stack.start_redis()
    (job,) = stack.wait([job], 60)
    assert (job.state, job.outcome) == ("SUCCESS", "42.0")


def test_results_of_jobs_that_end_while_redis_is_down_arrive_afterwards(stack):
    jobs = [submit(kind, {"seconds": 12}) for kind in ["sleep"] * 20 + ["cpu-nap"] * 2]
    for job in jobs:
        stack.running(job)
    stack.stop_redis()
    time.sleep(45)
    stack.start_redis()
    jobs = stack.wait(jobs, 60)
    assert [(job.state, job.attempt) for job in jobs] == [("SUCCESS", 1)] * len(jobs)
    is_whole(jobs)


def test_an_emptied_redis_loses_no_job(stack):
    running = [submit("sleep", {"seconds": 10}) for _ in range(5)]
    for job in running:
        stack.running(job)
    stack.kill("cpu", signal.SIGTERM)
    queued = [submit("compute", {"below": 1000}) for _ in range(20)]
    wait_for(lambda: all(stack.job(job.id).published_at for job in queued), 20, "publishing")
    stack.redis().flushall()
    stack.start("cpu")
    jobs = stack.wait([*running, *queued], 90)
    assert all((job.state, job.attempt) == ("SUCCESS", 1) for job in jobs), [(j.kind, j.state, j.attempt) for j in jobs]
    is_whole(jobs)


def test_workers_killed_again_and_again_under_load_lose_and_double_nothing(stack):
    rolls = random.Random(7)
    jobs = []
    for round_ in range(25):
        jobs += submit_many("sleep", [{"seconds": 0.2}] * 30)
        jobs += submit_many("cpu-nap", [{"seconds": 0.05}] * 6)
        time.sleep(rolls.uniform(0.1, 1.0))
        name = rolls.choice(["io", "cpu"])
        stack.kill(name)
        stack.start(name)
        if round_ % 5 == 4:
            wait_for(lambda: stack.ready().get("ok"), 60, "workers")
    jobs = stack.wait(jobs, 240)
    assert len(jobs) == 25 * 36
    # Each ended well: a loss is told, and an idempotent job starts again.
    assert {job.state for job in jobs} <= {"SUCCESS", "FAILURE"}
    ended = [job for job in jobs if job.state == "FAILURE"]
    assert all("vanished" in job.error for job in ended), [job.error for job in ended][:3]
    is_whole(jobs)
    lost = Attempt.objects.filter(job__in=[job.pk for job in jobs], state="LOST").count()
    assert lost == sum(job.attempt for job in jobs) - len(jobs) + len(ended)
