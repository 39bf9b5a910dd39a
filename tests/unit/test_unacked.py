"""What a worker has in hand and what it acknowledges reaches Redis, though nobody waits for the answers."""

import json
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from django.conf import settings
from kombu import Connection, Consumer, Queue
from kombu.exceptions import OperationalError
from redis import ResponseError

from jobs.wire.connection import redis_client
from jobs.wire.publish import HOLDER_HEADER
from jobs.worker.execution import process
from jobs.worker.unacked import KeepUnacked
from tests.system.stack import wait_for


class Threads:
    """A timer like a worker's, on threads."""

    def call_after(self, seconds, function):
        threading.Timer(seconds, function).start()


@contextmanager
def worker_channel():
    """A channel from which messages were taken as by a worker, what was taken, and the step."""
    with Connection(settings.REDIS_URL) as connection, connection.channel() as channel:
        taken = []
        queue = Queue("acks", routing_key="acks")
        consumer = Consumer(channel, [queue], on_message=taken.append)
        consumer.qos(prefetch_count=10)
        worker = SimpleNamespace(task_consumer=consumer, timer=Threads(), connection_errors=(OperationalError, OSError))
        step = KeepUnacked(worker)
        step.start(worker)
        producer = connection.Producer()

        def take(count):
            for number in range(len(taken), count):
                producer.publish({"n": number}, routing_key="acks", declare=[queue])
            with consumer:
                while len(taken) < count:
                    connection.drain_events(timeout=5)
            return taken

        yield take, step, worker


def unacked():
    client = redis_client()
    return client.hlen("unacked"), client.zcard("unacked_index")


def tags():
    return set(redis_client().hkeys("unacked"))


def tags_of(*messages):
    return {message.delivery_tag for message in messages}


def test_they_are_written_without_anything_else_to_write():
    with worker_channel() as (take, *_):
        messages = take(5)
        wait_for(lambda: unacked() == (5, 5))
        for message in messages[:4]:
            message.ack()
        wait_for(lambda: unacked() == (1, 1))
        messages[4].ack()
        wait_for(lambda: unacked() == (0, 0))


def test_they_go_with_the_next_message(monkeypatch):
    monkeypatch.setattr("jobs.worker.unacked.WAIT", 3_600)
    monkeypatch.setattr(Threads, "call_after", lambda *_: None)
    with worker_channel() as (take, *_):
        take(2)[0].ack()
        wait_for(lambda: unacked() == (2, 2))
        second, third = take(3)[1:]
        wait_for(lambda: tags() == tags_of(second, third))
        second.ack()
        third.reject()
        assert unacked() == (0, 0)


def test_a_worker_that_stops_writes_them_and_waits_no_more(monkeypatch):
    monkeypatch.setattr(Threads, "call_after", lambda *_: None)
    with worker_channel() as (take, step, worker):
        first, second, third = take(3)
        first.ack()
        step.stop(worker)
        assert unacked() == (2, 2)
        fourth = take(4)[3]
        assert unacked() == (3, 3)
        fourth.ack()
        second.ack()
        third.ack()
        assert unacked() == (0, 0)


def test_they_say_who_has_them():
    with worker_channel() as (take, *_):
        message = take(1)[0]
        wait_for(lambda: unacked() == (1, 1))
        [text] = redis_client().hvals("unacked")
        raw, exchange, queue = json.loads(text)
        assert raw["headers"].pop(HOLDER_HEADER) == process.key and (exchange, queue) == ("", "acks")
        assert raw == message._raw and HOLDER_HEADER not in message.headers


def test_one_that_is_put_back_is_not_acknowledged():
    with worker_channel() as (take, *_):
        first, second = take(2)
        first.ack()
        second.requeue()
        wait_for(lambda: unacked() == (0, 0))
        assert redis_client().llen("acks") == 1


def test_what_was_written_to_a_connection_that_is_cut_is_written_to_the_next():
    client = redis_client()
    known = {each["id"] for each in client.client_list()}
    with worker_channel() as (take, *_):
        take(1)
        wait_for(lambda: unacked() == (1, 1))
        [ahead] = [each["id"] for each in client.client_list() if each["cmd"] == "hset" and each["id"] not in known]
        client.client_kill_filter(_id=ahead)
        messages = take(3)
        wait_for(lambda: tags() == tags_of(*messages))


def test_what_redis_refuses_is_raised_with_the_next_message_and_holds_up_none_after_it():
    with worker_channel() as (take, *_):
        redis_client().set("unacked", "of another type")
        take(1)
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            take(2)
        redis_client().delete("unacked")
        messages = take(4)
        wait_for(lambda: tags() == tags_of(*messages[1:]))


@pytest.fixture(autouse=True)
def clean():
    redis_client().delete("acks", "unacked", "unacked_index", "_kombu.binding.acks")
    yield
    redis_client().delete("acks", "unacked", "unacked_index", "_kombu.binding.acks")
