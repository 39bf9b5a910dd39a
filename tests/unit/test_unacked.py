"""What a worker has in hand and what it acknowledges reaches Redis, though nobody waits for the answers."""

import json
import socket
import threading
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from urllib.parse import urlsplit

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
def worker_channel(url=""):
    """A channel from which messages were taken as by a worker, what was taken, and the step."""
    with Connection(url or settings.REDIS_URL) as connection, connection.channel() as channel:
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


class Relay:
    """A way to Redis that cuts a connection over which it is to write down a message, once, and swallows that."""

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
                if self.swallows and b"HSET" in data:
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


@contextmanager
def cutting():
    """What cuts the connection that messages in hand are written down over, opened since."""
    client = redis_client()
    known = {each["id"] for each in client.client_list()}

    def cut():
        [ahead] = [each["id"] for each in client.client_list() if each["cmd"] == "hset" and each["id"] not in known]
        client.client_kill_filter(_id=ahead)

    yield cut


def test_a_connection_that_is_cut_holds_up_no_message():
    with cutting() as cut, worker_channel() as (take, *_):
        take(1)
        wait_for(lambda: unacked() == (1, 1))
        cut()
        messages = take(3)
        wait_for(lambda: tags() == tags_of(*messages))


def test_what_was_acknowledged_before_a_connection_is_cut_does_not_come_back():
    with cutting() as cut, worker_channel() as (take, *_):
        take(1)[0].ack()
        wait_for(lambda: unacked() == (0, 0))
        cut()
        second = take(2)[1]
        wait_for(lambda: second.delivery_tag in tags())
        assert tags() == tags_of(second)


@pytest.mark.parametrize("ended", [False, True])
def test_what_a_cut_connection_swallowed_is_written_down_with_the_next_if_it_is_still_in_hand(relay, ended):
    with worker_channel(relay.url) as (take, *_):
        relay.swallows = True
        first = take(1)[0]
        wait_for(lambda: not relay.swallows)
        assert unacked() == (0, 0)
        if ended:
            first.ack()
        second = take(2)[1]
        wait_for(lambda: second.delivery_tag in tags())
        assert tags() == (tags_of(second) if ended else tags_of(first, second))


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
