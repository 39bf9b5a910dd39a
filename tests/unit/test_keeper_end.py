"""How a keeper ends."""

import pytest

from jobs.keeper.loop import Keeper
from jobs.models import Attempt
from jobs.submit import submit
from jobs.wire import events, keys
from jobs.wire.connection import redis_client

pytestmark = pytest.mark.django_db


def test_an_ending_keeper_records_what_workers_told_last():
    job = submit("add", {})
    keeper = Keeper()
    # The word to stop comes between two turns of its term.
    keeper._leader.leads()
    keeper._begin()
    keeper._turn()
    keeper.stop()
    redis_client().xadd(keys.EVENTS, {"e": events.encode("STARTED", job.id, 1, "", worker="io@a")})
    redis_client().xadd(keys.EVENTS, {"e": events.encode("SUCCESS", job.id, 1, "", result="3")})
    keeper.run()
    job.refresh_from_db()
    assert job.state == "SUCCESS" and Attempt.objects.get(job=job).worker == "io@a"


def test_one_that_stands_by_records_nothing():
    job = submit("add", {})
    leader, standby = Keeper(), Keeper()
    leader._leader.leads()
    standby.stop()
    redis_client().xadd(keys.EVENTS, {"e": events.encode("SUCCESS", job.id, 1, "", result="3")})
    standby.run()
    job.refresh_from_db()
    assert job.state == "PENDING"
