"""A cancel tells what became of the job, whoever carries it out."""

import importlib

import pytest
from django.utils import timezone

from jobs.models import Job
from jobs.submit import cancel, submit

pytestmark = pytest.mark.django_db(transaction=True)
cancelling = importlib.import_module("jobs.submit.cancel")


def test_a_wish_that_the_keeper_carries_out_first_is_told_once_sql_has_it(monkeypatch):
    job = submit("add", {"x": 1, "y": 2})
    carry_out, now = cancelling.carry_out, timezone.now()

    def after_the_keeper(wished):
        """The keeper saw the wish at once: Redis has its word already, SQL has it after the first wait."""
        assert cancelling._ask(wished, now) == "revoked"
        return carry_out(wished)

    monkeypatch.setattr(cancelling, "carry_out", after_the_keeper)
    monkeypatch.setattr("jobs.submit.live.time.sleep", lambda _: cancelling.revoke_unclaimed(job, now))
    assert cancel(job).state == "REVOKED"
    assert Job.objects.get(pk=job.pk).state == "REVOKED"
