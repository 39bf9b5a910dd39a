"""What a worker takes is written down in the same step, and what it acknowledges reaches Redis though nobody waits."""

import json
import socket
import statistics
import threading
import time
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from kombu import Connection, Consumer, Queue
from redis import ResponseError

from jobs.wire import keys
from jobs.wire.connection import redis_client
from jobs.worker.execution import process
from jobs.worker.unacked import KeepUnacked
from tests.system.stack import wait_for

QUEUE = Queue("acks", routing_key="acks")
#: [s] for which a message is waited for.
WAIT = 3


class Threads:
    """A timer like a worker's, on threads."""

    def call_after(self, seconds, function):
        threading.Timer(seconds, function).start()

    def call_repeatedly(self, seconds, function):
        return SimpleNamespace(cancel=lambda: None)


class Hand:
    """A worker's consumer of the queue `acks`, on a connection of its own; `step` outlives its connections."""

    def __init__(self, connection, step):
        self.connection, self.step = connection, step
        self.messages = []
        self._consumer = Consumer(connection.channel(), [QUEUE], on_message=self.messages.append)
        self._consumer.qos(prefetch_count=100)
        self.errors = connection.connection_errors
        self.worker = SimpleNamespace(task_consumer=self._consumer, timer=Threads(), connection_errors=self.errors)
        step.start(self.worker)

    def take(self, count):
        """All messages taken so far, once there are as many. Raises TimeoutError."""
        with self._consumer:
            while len(self.messages) < count:
                self.connection.drain_events(timeout=WAIT)
        return self.messages

    def take_all(self):
        """Take what comes, until nothing has come for a while."""
        with suppress(TimeoutError):
            self.take(1_000)

    def stop(self):
        self.step.stop(self.worker)


@contextmanager
def hand(url="", step=None):
    with Connection(url or settings.REDIS_URL) as connection:
        yield Hand(connection, step or KeepUnacked(None))


def send(count):
    with Connection(settings.REDIS_URL) as connection:
        for number in range(count):
            connection.Producer().publish({"n": number}, routing_key="acks", declare=[QUEUE])


class Relay:
    """A way to Redis that cuts a connection over which a message is to be answered, once, and swallows the answer."""

    def __init__(self):
        target = urlsplit(settings.REDIS_URL)
        self._target = target.hostname, target.port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = settings.REDIS_URL.replace(f":{target.port}", f":{self._listening.getsockname()[1]}")
        self.swallows = False
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        self._listening.close()

    def _accept(self):
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(self._target)
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    def _pass_on(self, source, to):
        with suppress(OSError):
            while data := source.recv(65_536):
                if self.swallows and b"delivery_tag" in data and source.getpeername() == self._target:
                    self.swallows = False
                    break
                to.sendall(data)
        for each in (source, to):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def relay():
    relay = Relay()
    yield relay
    relay.close()


def unacked():
    client = redis_client()
    return client.hlen("unacked"), client.zcard("unacked_index")


def tags():
    return set(redis_client().hkeys("unacked"))


def tags_of(*messages):
    return {message.delivery_tag for message in messages}


def test_they_are_written_without_anything_else_to_write():
    send(5)
    with hand() as worker:
        messages = worker.take(5)
        assert unacked() == (5, 5)
        for message in messages[:4]:
            message.ack()
        wait_for(lambda: unacked() == (1, 1))
        messages[4].ack()
        wait_for(lambda: unacked() == (0, 0))


def test_they_go_with_the_next_message(monkeypatch):
    monkeypatch.setattr(Threads, "call_after", lambda *_: None)
    send(3)
    with hand() as worker:
        worker.take(2)[0].ack()
        assert unacked() == (2, 2)
        second, third = worker.take(3)[1:]
        assert tags() == tags_of(second, third)
        second.ack()
        third.reject()
        assert unacked() == (0, 0)


def test_a_worker_that_stops_writes_them_and_waits_no_more(monkeypatch):
    monkeypatch.setattr(Threads, "call_after", lambda *_: None)
    send(4)
    with hand() as worker:
        first, second, third = worker.take(3)
        first.ack()
        worker.stop()
        assert unacked() == (2, 2)
        fourth = worker.take(4)[3]
        assert unacked() == (3, 3)
        fourth.ack()
        second.ack()
        third.ack()
        assert unacked() == (0, 0)


def test_they_say_who_has_them():
    send(1)
    with hand() as worker:
        message = worker.take(1)[0]
        [text] = redis_client().hvals("unacked")
        raw, exchange, queue = json.loads(text)
        assert raw.pop(keys.HOLDER) == process.key and (exchange, queue) == ("", "acks")
        assert raw == message._raw


def test_one_that_is_put_back_is_not_acknowledged_and_is_taken_again():
    send(2)
    with hand() as worker:
        first, second = worker.take(2)
        first.ack()
        second.requeue()
        wait_for(lambda: unacked() == (0, 0))
        again = worker.take(3)[2]
        assert again.delivery_tag == second.delivery_tag and again.headers["redelivered"]
        assert tags() == tags_of(again)


def test_what_was_taken_is_written_down_though_its_worker_dies_before_it_hears_of_it(relay):
    send(1)
    relay.swallows = True
    with hand(relay.url) as worker, pytest.raises(worker.errors):
        worker.take(1)
    assert unacked() == (1, 1) and redis_client().llen("acks") == 0


def test_one_whose_answer_was_lost_is_answered_once_more(relay):
    send(3)
    with hand(relay.url) as worker:
        first = worker.take(1)[0]
        relay.swallows = True
        with pytest.raises(worker.errors):
            worker.take(2)
        [lost] = tags() - tags_of(first)
        with hand(relay.url, worker.step) as again:
            second, third = again.take(2)
    assert second.delivery_tag == lost and third.delivery_tag not in (lost, first.delivery_tag)
    assert second.decode() == {"n": 1}


def test_one_whose_answer_was_lost_is_not_answered_once_another_has_it(relay):
    send(1)
    with hand(relay.url) as worker:
        relay.swallows = True
        with pytest.raises(worker.errors):
            worker.take(1)
        [(tag, text)] = redis_client().hgetall("unacked").items()
        redis_client().hset("unacked", tag, text.replace(process.key, "another"))
        send(1)
        with hand(relay.url, worker.step) as again:
            assert again.take(1)[0].delivery_tag != tag


def test_what_redis_refuses_to_write_down_stays_in_its_queue():
    send(1)
    with hand() as worker:
        redis_client().set("unacked", "of another type")
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            worker.take(1)
        assert redis_client().llen("acks") == 1 and not redis_client().exists("unacked_index")
        redis_client().delete("unacked")
        assert tags_of(*worker.take(1)) == tags()


@pytest.fixture
def forbidden():
    """The address of Redis as somebody who may not have it track what he reads."""
    client = redis_client()
    client.acl_setuser("plain", enabled=True, passwords=["+pw"], keys="*", channels="*", commands=["+@all", "-client"])
    yield settings.REDIS_URL.replace("://", "://plain:pw@")
    client.acl_deluser("plain")


@pytest.mark.parametrize("tracks", [True, False])
def test_a_worker_that_waits_hears_of_a_message_at_once(tracks, forbidden):
    took = []
    with hand(settings.REDIS_URL if tracks else forbidden) as worker:
        for number in range(1, 6):
            threading.Timer(0.3, send, [1]).start()
            started = time.monotonic()
            worker.take(number)
            took.append(time.monotonic() - started)
    assert 0.3 < statistics.median(took) < 0.6


def test_two_workers_that_wait_take_each_message_once():
    with hand() as one, hand() as other:
        ends = [threading.Thread(target=each.take_all) for each in (one, other)]
        for thread in ends:
            thread.start()
        for _ in range(10):
            send(2)
        for thread in ends:
            thread.join()
    assert len(one.messages) + len(other.messages) == len(tags_of(*one.messages, *other.messages)) == 20


@pytest.fixture(autouse=True)
def clean():
    redis_client().delete("acks", "unacked", "unacked_index", "_kombu.binding.acks")
    yield
    redis_client().delete("acks", "unacked", "unacked_index", "_kombu.binding.acks")
