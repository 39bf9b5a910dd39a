"""Calls of tasks subscribe to their results, as Celery's do, and wait for nothing."""

import gc
import json
import threading
import time

import pytest
import redis

from jobs.wire import connection
from jobs.worker.backend import Backend
from jobsite.celery import app
from tests.services import free_port, start_redis
from tests.system.stack import wait_for


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setattr("jobs.worker.listening.breaker", connection.Breaker())
    port = free_port()
    servers = [start_redis(tmp_path / "redis", port)]

    class Server:
        def stop(self):
            servers[0].kill()
            servers[0].wait()

        def start(self):
            servers[0] = start_redis(tmp_path / "redis", port)

        client = redis.Redis(port=port)
        url = f"redis://127.0.0.1:{port}/0"

    yield Server()
    servers[0].kill()
    servers[0].wait()


@pytest.fixture
def backend(server):
    return Backend(app=app, url=server.url)


def channels(server):
    return sorted(each.decode().removeprefix("celery-task-meta-") for each in server.client.pubsub_channels())


def store(backend, task_id, result):
    """As a worker does: stored, and told to those who have subscribed."""
    meta = {"status": "SUCCESS", "result": result, "task_id": task_id, "traceback": None, "children": []}
    backend.set(backend.get_key_for_task(task_id), json.dumps(meta))


def test_a_call_subscribes_and_what_is_forgotten_or_read_is_not_subscribed_to(backend, server):
    backend.on_task_call(None, "one")
    backend.on_task_call(None, "two")
    assert channels(server) == ["one", "two"]
    backend.result_consumer.cancel_for("one")
    assert channels(server) == ["two"]


def test_a_thread_that_serves_a_request_holds_no_connection(backend, server):
    before = len(server.client.client_list())
    thread = threading.Thread(target=backend.on_task_call, args=(None, "one"))
    thread.start()
    thread.join()
    assert len(server.client.client_list()) == before
    assert channels(server) == []


def test_nobody_waits_for_a_redis_that_is_away(backend, server):
    kept = app.AsyncResult("kept", backend=backend)
    for each in ("kept", "dropped"):
        backend.on_task_call(None, each)
    result = app.AsyncResult("dropped", backend=backend)
    server.stop()
    began = time.monotonic()
    for number in range(20):
        backend.on_task_call(None, f"called-{number}")
    del result
    gc.collect()
    assert time.monotonic() - began < 1

    server.start()
    store(backend, "kept", 3)
    assert kept.get(timeout=10, interval=0.1) == 3


def test_who_waits_for_a_result_over_an_outage_gets_it(backend, server):
    backend.on_task_call(None, "kept")
    kept, got = app.AsyncResult("kept", backend=backend), []
    waiting = threading.Thread(target=lambda: got.append(kept.get(timeout=30)))
    waiting.start()
    wait_for(lambda: backend.result_consumer._socket_waiter, 10)
    server.stop()
    backend.on_task_call(None, "another")
    server.start()
    store(Backend(app=app, url=server.url), "kept", 3)
    waiting.join(30)
    assert got == [3]


def test_the_servers_answers_do_not_pile_up(backend, server):
    for number in range(1000):
        backend.on_task_call(None, f"called-{number}")
        backend.result_consumer.cancel_for(f"called-{number}")
    assert channels(server) == []
    unread = 0
    while backend.result_consumer._pubsub.parse_response(block=False, timeout=0.2):
        unread += 1
    assert unread < 300
