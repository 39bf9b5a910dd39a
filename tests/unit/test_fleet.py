"""Workers and queues as they are, pausing, and what is counted of both."""

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.core.errors import Conflict
from jobs.core.priorities import HIGH, LOW, NORMAL, URGENT
from jobs.core.states import State
from jobs.fleet import control, pause, throughput, workers
from jobs.fleet.queues import queues
from jobs.fleet.workers import find
from jobs.keeper.record import record
from jobs.models import AuditEntry, Job, Throughput
from jobs.submit import submit
from jobs.wire import events
from jobs.wire.connection import redis_client
from tests.unit.fleet_records import make_worker, push
from tests.unit.job_rows import make_job, olga, users  # noqa: F401
from tests.unit.test_record import event

pytestmark = pytest.mark.django_db


def test_a_worker_is_described_by_its_own_record():
    began = time.monotonic()
    make_worker(held=["a", "b"], lags=[900, *[3] * 40, 12, 4])
    [worker] = workers.workers()
    assert (worker.name, worker.pool, worker.busy, worker.concurrency) == ("io@web-1", "eventlet", 2, 200)
    assert worker.lag == 12  # the 900 is more than a minute ago
    assert not worker.is_silent and worker.heard <= 0.01 + time.monotonic() - began


def test_children_stand_under_their_master_and_jobs_are_counted_once():
    make_worker("cpu@web-1", "prefork", ("cpu",), 2, held=["a"])
    make_worker("cpu@web-1", "prefork", ("cpu",), 2, held=["a"], pid=101, parent=100)
    make_worker("cpu@web-1", "prefork", ("cpu",), 2, pid=102, parent=100)
    [worker] = workers.workers()
    assert worker.pid == 100 and worker.busy == 1 and worker.lag is None
    assert sorted(child.pid for child in worker.children) == [101, 102]


def test_a_silent_worker_is_told_and_a_gone_one_dropped():
    began = time.monotonic()
    make_worker(heard=34)
    gone = make_worker("io@web-2")
    redis_client().delete(gone)
    [worker] = workers.workers()
    assert worker.is_silent and 34 <= worker.heard <= 34.01 + time.monotonic() - began


def test_of_two_starts_with_one_name_the_living_is_found():
    make_worker(heard=50, incarnation="old", pid=1)
    make_worker(incarnation="new", pid=2)
    assert find("io@web-1").pid == 2 and find("nobody") is None


@pytest.mark.parametrize(
    ("pool", "concurrency", "can"),
    [
        ("eventlet", 200, ["ping", "shutdown", "grow", "shrink"]),
        ("eventlet", 10, ["ping", "shutdown", "grow"]),
        ("prefork", 2, ["ping", "shutdown", "grow", "shrink"]),
        # Celery would end the last process of a pool, which then can never grow again.
        ("prefork", 1, ["ping", "shutdown", "grow"]),
        ("thread", 8, ["ping", "shutdown"]),
        ("solo", 1, ["ping", "shutdown"]),
    ],
)
def test_only_what_the_pool_carries_out_is_offered(pool, concurrency, can):
    make_worker(pool=pool, concurrency=concurrency)
    assert workers.workers()[0].can == can


def test_a_worker_that_does_not_answer_is_said_so(monkeypatch):
    monkeypatch.setattr(control, "PATIENCE", 0.1)
    make_worker(pool="thread")
    [worker] = workers.workers()
    with pytest.raises(Conflict, match="did not answer"):
        control.ask(worker, "ping")
    with pytest.raises(Conflict, match=r"\(thread\) cannot grow"):
        control.ask(worker, "grow")
    assert not AuditEntry.objects.exists()


def test_depth_counts_every_priority_and_the_oldest_of_all():
    began = time.time()
    for priority, waited in ((URGENT, 1), (HIGH, 2), (NORMAL, 40), (NORMAL, 3), (LOW, 7)):
        push("io", priority, waited)
    make_worker()
    make_job(state="STARTED", queue="io")
    io, cpu = queues(workers.workers())
    assert (io.name, io.waiting, io.running) == ("io", 5, 1)
    assert io.by_priority == {"urgent": 1, "high": 1, "normal": 2, "low": 1}
    assert 40 <= io.oldest <= 40.01 + time.time() - began
    assert [worker.name for worker in io.workers] == ["io@web-1"]
    assert (cpu.waiting, cpu.oldest, cpu.workers) == (0, None, ())


def test_other_peoples_queues_and_messages_are_shown_too():
    make_worker("x@web-1", queues=("theirs",))
    redis_client().lpush("theirs", "no JSON")
    theirs = queues(workers.workers())[-1]
    assert (theirs.name, theirs.waiting, theirs.oldest) == ("theirs", 1, None)


def test_a_pause_is_confirmed_by_each_worker_that_lives(olga):  # noqa: F811
    make_worker("io@web-1")
    make_worker("io@web-2", paused=["io"])
    make_worker("io@web-3", heard=34)  # killed, and takes nothing any more
    pause.pause("io", olga)
    io = queues(workers.workers())[0]
    assert io.pause.by == "olga" and io.still_taking == ("io@web-1",) and io.can == ["resume"]
    with pytest.raises(Conflict, match="paused already"):
        pause.pause("io", olga)
    pause.resume("io", olga)
    assert queues(workers.workers())[0].pause is None
    with pytest.raises(Conflict, match="is not paused"):
        pause.resume("io", olga)
    assert list(AuditEntry.objects.order_by("pk").values_list("action", "target", "user__username")) == [
        ("pause", "queue io", "olga"),
        ("resume", "queue io", "olga"),
    ]


def test_the_keeper_counts_what_comes_and_ends_once():
    good, bad = submit("add", {}), submit("add", {})
    batch = [
        event(good, 0, events.QUEUED),
        event(bad, 1, events.QUEUED),
        event(good, 5, State.SUCCESS, result="5"),
        event(bad, 6, State.FAILURE, error_type="OSError", error="no file /x/y1.csv\nmore"),
    ]
    record(batch)
    record(batch)
    assert list(Throughput.objects.values_list("queue", "entered", "finished", "failed")) == [("io", 2, 1, 1)]
    assert Job.objects.get(pk=bad.pk).signature == "OSError: no file …"
    assert Job.objects.get(pk=good.pk).signature == ""


def test_rates_weigh_the_minute_before_and_bars_leave_no_gap():
    now = timezone.now().replace(second=15, microsecond=0)
    minute = now.replace(second=0)
    Throughput.objects.create(minute=minute, queue="io", entered=10, finished=4, failed=1)
    Throughput.objects.create(minute=minute - timedelta(minutes=1), queue="io", entered=8, finished=4)
    Throughput.objects.create(minute=minute - timedelta(minutes=1), queue="cpu", finished=2)
    assert throughput.rates(now) == {"io": (16.0, 8.0), "cpu": (0.0, 1.5)}
    bars = throughput.bars(3, now)
    assert [(bar.finished, bar.failed, bar.is_open) for bar in bars] == [(0, 0, False), (6, 0, False), (4, 1, True)]
