"""Both pools keep their word: started as Celery's own command, replaced when used up, terminated by anybody."""

import re
import sys
from pathlib import Path

import pytest
from celery.result import AsyncResult
from django_celery_results.models import TaskResult
from redis import ConnectionError

from jobs.submit import submit, submit_many
from jobsite.celery import app
from tests.system.stack import wait_for

CELERY = [sys.executable, "-m", "celery", "-A", "jobsite"]


def stats(node, seconds=40):
    """A worker's own account of itself, once it answers."""

    def ask():
        # Another Redis connection for each try: the first after a restart of Redis fails, with an error or an answer of
        # nobody.
        try:
            found = app.control.inspect(timeout=1.0, pattern=f"{node}@*", matcher="glob").stats() or {}
        except ConnectionError:
            return None
        return next(iter(found.values()), None)

    return wait_for(ask, seconds, f"{node} to answer")


@pytest.fixture
def alone(stack):
    """Starts a worker in the place of the one of that queue; the usual one comes back with the next test."""

    def start(queue, *command, node, **environment):
        stack.kill("other" if "other" in stack.processes else queue, 15)
        stack.commands["other"] = list(command)
        stack.start("other", **environment)
        return stats(node)

    yield start
    if "other" in stack.processes:
        stack.kill("other", 15)


def test_celerys_own_command_runs_green_jobs(stack, alone):
    found = alone(
        "io", *CELERY, "worker", "-P", "eventlet", "-c", "500", "-Q", "io", "-n", "standard@%h", node="standard"
    )
    assert found["pool"]["implementation"] == "celery.concurrency.eventlet:TaskPool"
    assert found["pool"]["max-concurrency"] == 500
    jobs = stack.wait(submit_many("sleep", [{"seconds": 2} for _ in range(400)]), 60)
    assert {job.state for job in jobs} == {"SUCCESS"}
    assert {job.worker.split("@")[0] for job in jobs} == {"standard"}
    # 400 times 2 s one after the other would be 800 s.
    assert (max(job.finished_at for job in jobs) - min(job.started_at for job in jobs)).total_seconds() < 30


def test_concurrency_by_flag_then_environment(stack, alone):
    worker = [sys.executable, "manage.py", "worker", "io"]
    assert alone("io", *worker, node="io", IO_CONCURRENCY="37")["pool"]["max-concurrency"] == 37
    found = alone("io", *worker, "--concurrency", "41", node="io", IO_CONCURRENCY="37")
    assert found["pool"]["max-concurrency"] == 41


def test_several_processes_share_the_queue(stack, alone):
    worker = [sys.executable, "manage.py", "worker", "io", "--concurrency", "20"]
    alone("io", *worker, node="io2", IO_PROCESSES="2")
    stats("io")
    jobs = stack.wait(submit_many("sleep", [{"seconds": 1} for _ in range(80)]), 60)
    assert {job.worker.split("@")[0] for job in jobs} == {"io", "io2"}


def test_a_place_that_becomes_free_in_a_green_pool_is_filled_at_once(stack, alone):
    """Celery's loop for green pools sleeps for 2 s while all places are taken: 100 jobs would take 20 s."""
    alone("io", sys.executable, "manage.py", "worker", "io", "--concurrency", "10", node="io")
    jobs = stack.wait(submit_many("sleep", [{"seconds": 0.2} for _ in range(100)]), 60)
    assert (max(job.finished_at for job in jobs) - min(job.started_at for job in jobs)).total_seconds() < 10


def test_a_prefork_child_is_replaced_after_so_many_jobs_and_none_is_lost(stack, alone):
    alone("cpu", sys.executable, "manage.py", "worker", "cpu", "--concurrency", "2", node="cpu", CPU_MAX_TASKS="5")
    jobs = stack.wait(submit_many("compute", [{"below": 100} for _ in range(40)]), 90)
    assert [job.state for job in jobs] == ["SUCCESS"] * 40
    attempts = [attempt for job in jobs for attempt in job.attempts.all()]
    assert len(attempts) == 40
    pids = [attempt.pid for attempt in attempts]
    assert len(set(pids)) >= 8
    assert max(pids.count(pid) for pid in pids) <= 5


def test_a_prefork_child_is_replaced_once_it_holds_too_much_memory(stack, alone):
    alone("cpu", sys.executable, "manage.py", "worker", "cpu", "--concurrency", "1", node="cpu", CPU_MAX_MEMORY="200")
    # A sieve of 120 million numbers takes 180 MB beside what a child holds anyway.
    jobs = stack.wait([submit("compute", {"below": n}) for n in (100, 120_000_000, 100, 120_000_000, 100)], 90)
    assert [job.state for job in jobs] == ["SUCCESS"] * 5
    pids = [job.attempts.get().pid for job in jobs]
    assert pids[0] == pids[1] != pids[2] == pids[3] != pids[4]


@pytest.mark.parametrize(("kind", "queue"), [("sleep", "io"), ("cpu-nap", "cpu")])
def test_terminate_by_celerys_own_control_ends_as_revoked_and_nothing_else(stack, api, kind, queue):
    job = submit(kind, {"seconds": 120})
    stack.running(job)
    app.control.revoke(job.id, terminate=True)
    (job,) = stack.wait([job], 30)
    assert job.state == "REVOKED"
    assert [(attempt.number, attempt.state) for attempt in job.attempts.all()] == [(1, "REVOKED")]
    assert api.get(f"jobs/{job.id}").json()["state"] == "REVOKED"
    assert TaskResult.objects.get(task_id=job.id).status == "REVOKED"
    assert AsyncResult(job.id, app=app).state == "REVOKED"
    assert stack.redis().hget(f"jobsite:run:{job.id}", "phase") == "final"
    assert [event["t"] for event in stack.told(job.id)] == ["QUEUED", "STARTED", "REVOKED"]
    # Its worker goes on, and nothing is left in hand.
    stack.wait([submit("add", {}) if queue == "io" else submit("compute", {"below": 100})])
    wait_for(lambda: job.id not in str(stack.redis().hvals("unacked")), 10, "the message to be acknowledged")


def test_a_thousand_green_jobs_at_once_within_400_mb(stack, alone):
    """From /proc: the resident memory of the one process that runs them."""
    alone("io", sys.executable, "manage.py", "worker", "io", "--concurrency", "1000", node="io")
    jobs = submit_many("sleep", [{"seconds": 30} for _ in range(1000)])
    ids = [job.id for job in jobs]

    def at_once():
        pipe = stack.redis().pipeline(transaction=False)
        for job in ids:
            pipe.hget(f"jobsite:run:{job}", "phase")
        return pipe.execute().count("running") == 1000

    wait_for(at_once, 28, "all 1,000 to run")
    status = Path(f"/proc/{stack.processes['other'].pid}/status").read_text()
    assert int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024 < 400e6
    assert {job.state for job in stack.wait(jobs, 90)} == {"SUCCESS"}
