"""Reports are kept until SQL has them, whatever happens to Redis meanwhile (LINE 3)."""

import pytest
from django.conf import settings

from jobs.keeper.epoch import Epoch
from jobs.keeper.stream import Reader
from jobs.wire import events, keys
from jobs.wire.connection import redis_client
from jobs.worker.outbox import GRACE, Outbox, Report
from jobs.worker.rawredis import RawRedis

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def raw():
    connection = RawRedis(settings.REDIS_URL)
    yield connection
    connection.close()


def log_line(text="hello"):
    return Report("job-1", "", [], [events.encode(events.LOG, "job-1", 1, lines=[[0, text]])])


def test_what_sql_has_is_forgotten(raw):
    reader, outbox = Reader(), Outbox()
    Epoch(0).look(redis_client())
    outbox.send(log_line())
    outbox.tend(raw)
    assert outbox.held() == {"job-1"}

    while not reader.step(0.01):
        pass
    outbox.tend(raw)

    assert outbox.held() == set()


def test_to_a_redis_that_was_emptied_a_report_is_sent_again_once(raw):
    outbox, client = Outbox(), redis_client()
    Epoch(0).look(client)
    report = log_line()
    outbox.send(report)
    outbox.tend(raw)
    client.flushall()

    for turn in range(6):
        if turn == 3:
            Epoch(0).look(client)  # the keeper names it again
        report.made -= GRACE + 1
        outbox.tend(raw)

    assert client.xlen(keys.EVENTS) == 1


def test_what_redis_lost_before_sql_had_it_is_sent_again(raw):
    reader, outbox, client = Reader(), Outbox(), redis_client()
    reader.step(0.01)
    Epoch(0).look(client)
    lost = log_line()
    outbox.send(lost)
    outbox.tend(raw)

    client.flushall()
    # The keeper records what others tell since, before it has seen that Redis was emptied.
    client.xadd(keys.EVENTS, {"e": events.encode(events.LOG, "job-2", 1, lines=[])})
    while not reader.step(0.01):
        reader.again()
    outbox.tend(raw)
    assert outbox.held() == {"job-1"}

    lost.made -= GRACE + 1
    outbox.tend(raw)
    texts = [fields["e"] for _, fields in client.xrange(keys.EVENTS)]
    assert any('"job-1"' in text for text in texts)
