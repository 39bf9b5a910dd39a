"""A Redis that is there and takes no writes (a full disk, a replica) is waited for as one that is away (LINE 12)."""

import time

import pytest

from jobs.core.states import State
from jobs.models import Job
from jobs.submit import submit
from jobs.wire import keys
from jobs.wire.connection import UNREACHABLE, breaker, redis_client
from jobs.worker import report

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def replica():
    """The test's Redis, made a replica of nothing."""
    client = redis_client()
    client.replicaof("127.0.0.1", 1)
    yield client
    client.replicaof("NO", "ONE")
    report.outbox.clear()
    while breaker.is_open:
        time.sleep(0.05)


def test_a_job_is_accepted_and_waits(replica):
    job = submit("add", {"x": 1, "y": 2})

    assert Job.objects.get(pk=job.pk).state == State.PENDING
    assert not replica.exists(keys.run(job.id))


def test_a_report_is_kept_until_it_is_taken(replica):
    assert report.state("job-1", 1, "", State.SUCCESS, phase="final") is None
    assert report.outbox.held() == {"job-1"}


def test_a_pipeline_says_the_same(replica):
    pipe = replica.pipeline(transaction=True)
    pipe.hset("a", "b", "c")
    with pytest.raises(UNREACHABLE):
        pipe.execute()


def test_an_error_of_the_caller_s_stays_one():
    redis_client().set("a", "text")
    with pytest.raises(Exception, match="WRONGTYPE"):
        redis_client().hget("a", "b")
