"""A message that a worker took and never claimed is sent again: soon where that worker is gone, not while it lives."""

import json
import time
from datetime import timedelta

import pytest
from django.db.models import F
from django_celery_results.models import TaskResult

from jobs.core import priorities
from jobs.keeper import dispatch
from jobs.keeper.admit import Admission
from jobs.keeper.rescue import GONE_AFTER
from jobs.keeper.stream import Reader
from jobs.models import Job
from jobs.submit import submit
from jobs.submit.foreign import drafted_call
from jobs.submit.submission import accept
from jobs.wire import keys
from jobs.wire.connection import redis_client

pytestmark = pytest.mark.django_db(transaction=True)

QUEUE = keys.queue("io", priorities.NORMAL)


@pytest.fixture
def job():
    """One that was published a minute ago, and is to be looked at."""
    job = submit("add", {"x": 1, "y": 2})
    reader = Reader()
    while not reader.step(0.1):
        pass
    minute = timedelta(minutes=1)
    Job.objects.update(published_at=F("published_at") - minute, next_check_at=F("next_check_at") - minute)
    return job


def taken(holder, ago=0.0):
    """The oldest message is in a worker's hand, written down `ago` seconds before now."""
    client = redis_client()
    message = json.loads(client.rpop(QUEUE))
    if holder:
        message[keys.HOLDER] = holder
    client.hset(keys.UNACKED, "tag", json.dumps([message, "", "io"]))
    client.zadd(keys.UNACKED_INDEX, {"tag": time.time() - ago})


def heard(holder, ago):
    redis_client().hset(keys.worker(holder), "beat", 1)
    redis_client().pexpire(keys.worker(holder), int(1000 * (keys.WORKER_EXPIRES - ago)))


def sent_again():
    dispatch.step(Admission(), settled=True)
    return redis_client().llen(QUEUE) == 1


def test_not_while_its_worker_is_heard(job):
    taken("one")
    heard("one", 3)
    assert not sent_again()
    job.refresh_from_db()
    assert job.next_check_at is not None, "it is looked at again"


def test_once_its_worker_is_silent(job):
    taken("one")
    heard("one", GONE_AFTER + 2)
    heard("another", 1)
    assert sent_again()


def test_once_its_workers_record_is_gone(job):
    taken("one")
    assert sent_again()


@pytest.mark.parametrize(("ago", "again"), [(60, False), (dispatch.UNACKED_FRESH + 5, True)])
def test_where_nobody_says_whose_it_is_after_some_time(job, ago, again):
    taken("", ago)
    assert sent_again() is again


@pytest.fixture
def by_name():
    """One for a worker of another code base, which took its message minutes ago and acknowledged it at once."""
    drafted = drafted_call("warehouse.count", [1], {}, sending={"queue": "stock", "priority": 6}, via="schedule")
    accept(drafted)
    reader = Reader()
    while not reader.step(0.1):
        pass
    minutes = timedelta(minutes=3)
    Job.objects.update(published_at=F("published_at") - minutes, next_check_at=F("next_check_at") - minutes)
    redis_client().delete("stock", keys.queue("stock", 6))
    return drafted.job


def looked_at(job):
    dispatch.step(Admission(), settled=True)
    reader = Reader()
    while reader.step(0.1):
        pass
    assert redis_client().keys("stock*") == [], "nothing is sent twice"
    job.refresh_from_db()
    return job


def test_what_a_worker_of_another_code_base_took_is_not_sent_again(by_name):
    assert looked_at(by_name).state == "PENDING" and by_name.next_check_at


@pytest.mark.parametrize(("told", "expected"), [
    ({"status": "SUCCESS", "result": [1]}, ("SUCCESS", "")),
    ({"status": "FAILURE", "result": {"exc_type": "KeyError", "exc_message": ["x"]}}, ("FAILURE", "KeyError")),
    ({"status": "STARTED", "result": None}, ("PENDING", "")),
    ("no JSON", ("PENDING", "")),
])  # fmt: skip
def test_its_result_in_the_same_redis_says_what_became_of_it(by_name, told, expected):
    stored = told if isinstance(told, str) else json.dumps(told)
    redis_client().set(keys.result(by_name.id), stored)
    job = looked_at(by_name)
    assert (job.state, job.error_type) == expected
    assert redis_client().get(keys.result(by_name.id)) == stored


def again_at(job, seconds):
    """As it is looked at `seconds` after it was seen to have left the broker."""
    Job.objects.update(next_check_at=F("published_at"))
    redis_client().set(keys.left_at(job.id), time.time() - seconds)
    return looked_at(job)


def test_without_one_its_outcome_is_unknown_an_hour_after_it_was_taken(by_name):
    Job.objects.update(published_at=F("published_at") - timedelta(days=1))
    assert looked_at(by_name).state == "PENDING", "it lay in its queue for a day, and may be running since a second ago"
    assert again_at(by_name, 3500).state == "PENDING"
    job = again_at(by_name, 3700)
    assert (job.state, job.error_type, job.assumed) == ("FAILURE", "OutcomeUnknown", True)


def test_a_plain_worker_may_hold_it_for_hours_before_it_begins(by_name):
    """A plain worker fetches some in advance, and does not say every half minute that it lives."""
    client = redis_client()
    client.hset(keys.UNACKED, "tag", json.dumps([{"headers": {"id": by_name.id}}, "", "stock"]))
    client.hset(keys.UNACKED, "odd", "[]")
    client.zadd(keys.UNACKED_INDEX, {"tag": time.time() - 7200})
    assert again_at(by_name, 3700).state == "PENDING"
    client.delete(keys.UNACKED, keys.UNACKED_INDEX)
    Job.objects.update(next_check_at=F("published_at"))
    assert looked_at(by_name).state == "PENDING", "the hour begins as it is acknowledged"


def test_a_long_result_is_cut_in_sql_and_stays_whole_in_its_key(by_name):
    stored = json.dumps({"status": "SUCCESS", "result": ["x" * 200_000, float("nan")]})
    redis_client().set(keys.result(by_name.id), stored)
    assert looked_at(by_name).state == "SUCCESS" and redis_client().get(keys.result(by_name.id)) == stored
    told = json.loads(TaskResult.objects.get(task_id=by_name.id).result)
    assert "characters left out" in told and len(told) < 70_000
