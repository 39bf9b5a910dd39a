"""Pausing a queue and steering workers, with real workers of both pools."""

import signal

import pytest
from celery import current_app

from jobs.fleet import control, pause
from jobs.fleet.queues import queues
from jobs.fleet.workers import workers
from jobs.models import Job
from jobs.submit import submit
from tests.system.stack import wait_for

PARAMS = {"io": ("add", {}), "cpu": ("compute", {"below": 1000})}


def worker_of(queue):
    """The living worker that serves a queue."""
    living = [worker for worker in workers() if queue in worker.queues and not worker.is_silent]
    return max(living, key=lambda worker: worker.started) if living else None


def worker_that(queue, is_so, seconds, what):
    """The living worker that serves a queue, once it is as asked."""
    return wait_for(lambda: (now := worker_of(queue)) and is_so(now) and now, seconds, what)


def queue_named(name):
    return next(queue for queue in queues(workers()) if queue.name == name)


def states_of(jobs):
    return set(Job.objects.filter(pk__in=[job.pk for job in jobs]).values_list("state", flat=True))


@pytest.mark.parametrize("name", ["io", "cpu"])
def test_a_paused_queue_is_left_alone_also_by_a_worker_that_starts_and_then_served_to_the_end(stack, name):
    kind, params = PARAMS[name]
    pause.pause(name)
    try:
        before = worker_that(name, lambda now: name in now.paused, 20, "the worker to follow")
        wait_for(lambda: not queue_named(name).still_taking, 20, "the queue to tell so")
        jobs = [submit(kind, params) for _ in range(30)]
        stack.kill(name, signal.SIGTERM)
        stack.start(name)
        # It says so with its first beats, which come after it has connected: had it taken anything, it would show.
        worker_that(name, lambda now: now.pid != before.pid and name in now.paused, 40, "a new worker")
        assert states_of(jobs) == {"PENDING"}
        assert queue_named(name).waiting == 30
    finally:
        pause.resume(name)
    ended = stack.wait(jobs)
    assert {(job.state, job.attempt) for job in ended} == {("SUCCESS", 1)}
    worker_that(name, lambda now: name not in now.paused, 20, "the worker to say that it serves the queue")


@pytest.mark.parametrize(("name", "size", "by"), [("io", 100, 10), ("cpu", 2, 1)])
def test_a_pool_grows_and_shrinks_and_says_so(stack, name, size, by):
    worker = worker_that(name, lambda now: now.concurrency == size, 30, "the worker")
    assert "answers pong" in control.ask(worker, "ping")
    assert "will grow" in control.ask(worker, "grow")
    worker = worker_that(name, lambda now: now.concurrency == size + by, 20, "the grown pool")
    assert "will shrink" in control.ask(worker, "shrink")
    worker_that(name, lambda now: now.concurrency == size, 20, "the pool as it was")
    kind, params = PARAMS[name]
    assert {job.state for job in stack.wait([submit(kind, params) for _ in range(5)])} == {"SUCCESS"}


def test_a_worker_that_is_shut_down_finishes_what_it_has_in_hand(stack):
    job = submit("sleep", {"seconds": 6})
    stack.running(job)
    before = wait_for(lambda: worker_of("io"), 30)
    control.ask(before, "shutdown")
    stack.processes.pop("io").wait(60)
    try:
        wait_for(lambda: before.pid not in {worker.pid for worker in workers()}, 10, "its record to go")
        (job,) = stack.wait([job])
        assert (job.state, job.attempt) == ("SUCCESS", 1)
    finally:
        stack.start("io")
        wait_for(lambda: worker_of("io"), 40, "a new worker")


@pytest.mark.parametrize("name", ["io", "cpu"])
def test_a_queue_that_remote_control_adds_or_cancels_is_told(stack, name):
    worker = worker_of(name)
    remote = current_app.control
    remote.add_consumer("extra", destination=[worker.name])
    try:
        worker_that("extra", lambda now: now.pid == worker.pid, 20, "the queue to be told")
        assert [each.pid for each in queue_named("extra").workers] == [worker.pid]
    finally:
        remote.cancel_consumer("extra", destination=[worker.name])
    wait_for(lambda: worker_of("extra") is None, 20, "the queue to be told no more")
    assert worker_of(name).pid == worker.pid
