import json
import re

import pytest

from jobs.web.live import health
from jobs.wire import events, keys
from jobs.wire.connection import redis_client
from jobs.wire.workers import FORGOTTEN_AFTER, GONE_AFTER
from tests.unit.edge_serving import moving_job, person, serving

pytestmark = pytest.mark.django_db(transaction=True)
NAMES = {"sql", "redis", "keeper", "worker_io", "worker_cpu", "disk", "storage", "static"}


def a_worker(name: str, queue: str) -> None:
    info = {"node": f"{queue}@test", "pool": "eventlet", "queues": [queue], "concurrency": 10}
    redis_client().hset(keys.worker(name), mapping={"beat": 1, "held": '["a", "b"]', "info": json.dumps(info)})
    redis_client().expire(keys.worker(name), keys.WORKER_EXPIRES)
    redis_client().sadd(keys.WORKERS, name)


def test_it_is_ready_when_every_part_is():
    a_worker("one", "io")
    a_worker("two", "cpu")
    with serving() as served, served.client() as client:
        assert client.get("/healthz").text == "ok\n"
        answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["ok"] is True
    assert set(answer.json()["checks"]) == NAMES
    assert answer.json()["checks"]["worker_io"]["detail"] == "io@test at work."


def test_what_is_missing_is_named():
    a_worker("one", "io")
    with serving() as served, served.client() as client:
        answer = client.get("/readyz")
    assert answer.status_code == 503
    checks = answer.json()["checks"]
    assert [name for name, check in checks.items() if not check["ok"]] == ["worker_cpu"]
    assert "manage.py worker cpu" in checks["worker_cpu"]["detail"]


def test_a_worker_whose_beat_stands_still_is_gone(monkeypatch):
    monkeypatch.setattr(health, "_FRESH", 0.0)
    a_worker("one", "io")
    redis_client().expire(keys.worker("one"), int(FORGOTTEN_AFTER - GONE_AFTER))
    with serving() as served, served.client() as client:
        assert client.get("/readyz").json()["checks"]["worker_io"]["ok"] is False


def test_a_keeper_that_lags_and_events_that_are_dead_are_told(monkeypatch):
    monkeypatch.setattr(health, "_FRESH", 0.0)
    client = redis_client()
    milliseconds = (client.time()[0] - 60) * 1000
    event = client.xadd(keys.EVENTS, {"e": events.encode("QUEUED", "a", 1)}, id=f"{milliseconds}-0")
    with serving() as served, served.client() as browser:
        lagging = browser.get("/readyz").json()["checks"]["keeper"]
        client.set(keys.RECORDED, event)
        recorded = browser.get("/readyz").json()["checks"]["keeper"]
        client.xadd(keys.DEAD, {"e": "poison"})
        dead = browser.get("/readyz").json()["checks"]["keeper"]
    assert lagging["ok"] is False and re.search("6[0-5] s behind", lagging["detail"])
    assert recorded["ok"] is True
    assert dead["ok"] is False and "1 events" in dead["detail"]


def test_strangers_learn_only_whether_it_is_well():
    _, token = person("alice")
    _, operator = person("olga", operator=True)
    with serving() as served:
        for known_by, told in (("", False), (token, False), (operator, True)):
            with served.client(known_by, **{"X-Forwarded-For": "203.0.113.9"}) as client:
                checks = client.get("/readyz").json()["checks"]
            assert set(checks) == NAMES
            assert all(("detail" in check) is told for check in checks.values())


def test_metrics_are_for_operators_and_this_machine():
    user, token = person("alice")
    _, operator = person("olga", operator=True)
    moving_job(user)
    redis_client().rpush(keys.queue("io", 3), "a message")
    with serving() as served:
        with served.client(**{"X-Forwarded-For": "203.0.113.9"}) as client:
            assert client.get("/metrics").status_code == 401
            assert client.get("/metrics", headers={"Authorization": f"Bearer {token}"}).status_code == 401
            assert client.get("/metrics", headers={"Authorization": f"Bearer {operator}"}).status_code == 200
        with served.client(Host="evil.example") as client:
            assert client.get("/metrics").status_code == 401
        with served.client() as client:
            text = client.get("/metrics").text
    assert 'jobsite_jobs{state="STARTED"} 1.0' in text
    assert 'jobsite_queue_messages{priority="high",queue="io"} 1.0' in text
    assert 'jobsite_http_requests_total{route="metrics",status="401"} 3.0' in text
    assert "jobsite_keeper_lag_seconds" in text and "jobsite_sse_clients 0.0" in text
