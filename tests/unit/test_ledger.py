"""What was done is done once, though Redis lost its ledger: SQL's copy goes back before another attempt (LINE 14)."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.core.states import State
from jobs.keeper import dispatch
from jobs.keeper.admit import Admission
from jobs.models import Job, LedgerEntry
from jobs.submit import retry, submit
from jobs.wire import keys
from jobs.wire.connection import redis_client

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def job():
    """A mailing that has told SQL of two addresses."""
    job = submit("email", {"to": "a@example.org, b@example.org", "subject": "Hello", "text": "Hello"})
    for address, state in (("a@example.org", "sent"), ("b@example.org", "refused")):
        LedgerEntry.objects.create(job=job, key=address, state=state, note="250 fine", at=timezone.now())
    redis_client().flushall()
    return job


def ledger_of(job):
    return {key: value.partition("\n")[0] for key, value in redis_client().hgetall(keys.ledger(job.id)).items()}


def became(job, state, **more):
    Job.objects.filter(pk=job.pk).update(state=state, published_at=timezone.now(), **more)
    job.refresh_from_db()


def test_a_person_s_retry_finds_what_was_done(job):
    became(job, State.FAILURE)

    retry(job)

    assert ledger_of(job) == {"a@example.org": "sent", "b@example.org": "refused"}
    assert redis_client().ttl(keys.ledger(job.id)) > 86_400


def test_an_automatic_retry_finds_what_was_done(job):
    became(job, State.RETRY, next_check_at=timezone.now())

    dispatch.step(Admission(), settled=True)

    assert ledger_of(job)["a@example.org"] == "sent"


def test_what_was_marked_since_redis_was_emptied_stays_and_the_rest_is_added(job):
    redis_client().hset(keys.ledger(job.id), "b@example.org", "sending\n")
    became(job, State.RETRY, next_check_at=timezone.now())

    dispatch.step(Admission(), settled=True)

    assert ledger_of(job) == {"a@example.org": "sent", "b@example.org": "sending"}


def test_a_message_that_the_broker_lost_with_the_ledger_is_sent_again_with_both(job):
    long_ago = timezone.now() - timedelta(minutes=5)
    became(job, State.PENDING, attempt=2, next_check_at=timezone.now())
    Job.objects.filter(pk=job.pk).update(published_at=long_ago)

    dispatch.step(Admission(), settled=True)

    assert ledger_of(job)["a@example.org"] == "sent"
    assert redis_client().llen(keys.queue("io", 6)) == 1
