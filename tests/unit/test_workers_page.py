"""The page Workers & queues and its calls: what they show, to whom, and who may do what."""

import json
import re
import time

import pytest
from django.urls import reverse

from jobs.fleet import control, pause, workers
from jobs.models import AuditEntry, Incident
from jobs.wire import keys
from jobs.wire.connection import redis_client
from tests.unit.api_client import Program
from tests.unit.fleet_records import make_worker, push
from tests.unit.job_rows import alice, bob, olga, users  # noqa: F401

pytestmark = pytest.mark.django_db

ACTIONS = [
    "/workers/queues/io/pause",
    "/workers/queues/io/resume",
    "/workers/io@web-1/ping",
    "/workers/io@web-1/shutdown",
    "/workers/io@web-1/grow",
    "/workers/io@web-1/shrink",
]


@pytest.fixture
def answering(monkeypatch):
    """Workers that answer every command; the commands that were sent."""
    sent = []

    def broadcast(command, arguments=None, destination=None, reply=False, **_):
        sent.append((command, arguments, destination))
        return [{destination[0]: {"ok": "pong" if command == "ping" else "done"}}] if reply else None

    monkeypatch.setattr(control.current_app.control, "broadcast", broadcast)
    return sent


def see(client, user, **headers):
    client.force_login(user)
    answer = client.get("/workers", headers=headers)
    assert answer.status_code == 200
    return answer.content.decode()


def test_submitters_do_not_find_the_page_or_its_actions(client, alice):  # noqa: F811
    make_worker()
    assert client.get("/workers").url.startswith("/login")
    client.force_login(alice)
    assert client.get("/workers").status_code == 404
    for action in ACTIONS:
        assert client.post(action).status_code == 404
    assert not redis_client().exists(keys.PAUSED) and not AuditEntry.objects.exists()


def test_queues_and_workers_are_shown(client, olga, monkeypatch):  # noqa: F811
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    make_worker(held=["a"] * 14, lags=[700])
    push("io", waited=75)
    page = see(client, olga)
    assert "io@web-1" in page and "14/200" in page and "web-1, pid 100" in page and "700 ms" in page
    assert "1:15" in page and "1 normal" in page
    assert "No worker listens to cpu." in page and "manage.py worker cpu" in page


def test_nobody_at_work_is_told_with_the_way_out(client, olga):  # noqa: F811
    page = see(client, olga)
    assert "No worker runs. Start one: <code>manage.py worker io</code>" in page


def test_a_silent_worker_can_be_asked_nothing(client, olga):  # noqa: F811
    began = time.monotonic()
    make_worker(heard=34)
    page = see(client, olga)
    told = int(re.search(r"last heard (\d+) s ago", page)[1])
    assert 34 <= told <= 34.5 + time.monotonic() - began and "/workers/io@web-1/ping" not in page


def test_a_queue_whose_only_worker_is_silent_has_none(client, olga):  # noqa: F811
    make_worker("io@web-1", heard=34)
    push("io", waited=20)
    assert '<span class="error-text">none</span>' in see(client, olga)
    make_worker("io@web-2")
    page = see(client, olga)
    assert 'title="io@web-2"' in page and "error-text" not in page.split("Workers</h2>")[0]


def test_the_open_page_asks_for_its_inside_alone(client, olga):  # noqa: F811
    make_worker()
    page = see(client, olga, HX_Request="true")
    assert "io@web-1" in page and "<html" not in page


def test_actions_that_a_pool_lacks_are_absent(client, olga):  # noqa: F811
    make_worker(pool="thread")
    page = see(client, olga)
    assert "/workers/io@web-1/shutdown" in page and "/workers/io@web-1/grow" not in page


def test_who_held_the_loop_is_named(client, olga):  # noqa: F811
    from django.utils import timezone

    Incident.objects.create(
        id="1", worker="io@web-1", at=timezone.now(), seconds=3.2, where="kinds/x.py:41", task="jobs.x"
    )
    page = see(client, olga)
    assert "kinds/x.py:41" in page and "3.2 s" in page


def test_without_redis_the_page_says_so(client, olga, monkeypatch):  # noqa: F811
    def away():
        raise ConnectionError

    monkeypatch.setattr("jobs.web.pages.workers.workers", away)
    assert "Redis does not answer." in see(client, olga)


def test_a_queue_is_paused_and_resumed(client, olga):  # noqa: F811
    make_worker()
    client.force_login(olga)
    page = client.post("/workers/queues/io/pause", follow=True).content.decode()
    assert "io is paused." in page and "io@web-1 still to confirm" in page
    assert pause.paused_queues()["io"].by == "olga"
    page = client.post("/workers/queues/io/pause", follow=True).content.decode()
    assert "paused already" in page
    client.post("/workers/queues/io/resume")
    assert not pause.paused_queues()


def test_a_worker_s_own_answer_is_shown_and_actions_are_audited(client, olga, answering):  # noqa: F811
    make_worker()
    client.force_login(olga)
    assert "io@web-1 answers pong after" in client.post("/workers/io@web-1/ping", follow=True).content.decode()
    assert "to 210 at a time" in client.post("/workers/io@web-1/grow", follow=True).content.decode()
    client.post("/workers/io@web-1/shutdown")
    assert answering[-1] == ("shutdown", None, ["io@web-1"])
    assert list(AuditEntry.objects.order_by("pk").values_list("action", "target")) == [
        ("grow", "worker io@web-1"),
        ("shutdown", "worker io@web-1"),
    ]


def test_what_does_not_exist_is_not_found(client, olga):  # noqa: F811
    make_worker()
    client.force_login(olga)
    paths = ["workers/nobody/ping", "workers/io@web-1/dance", "workers/queues/none/pause", "workers/queues/io/purge"]
    for path in paths:
        assert client.post(f"/{path}").status_code == 404
    assert client.get("/workers/io@web-1/ping").status_code == 405


def test_the_api_is_for_operators_with_the_right_scope(alice, olga):  # noqa: F811
    make_worker()
    stranger, reader, admin = Program(alice, "admin"), Program(olga, "write"), Program(olga, "admin")
    for path in ("workers", "queues"):
        assert stranger.get(path).status_code == 403
        assert reader.get(path).status_code == 200
    for path in ("queues/io/pause", "workers/io@web-1/ping", "workers/io@web-1/shutdown"):
        assert stranger.post(path).status_code == 403
        assert reader.post(path).status_code == 403
    assert admin.post("queues/io/pause").status_code == 202
    assert admin.post("queues/io/pause").status_code == 409
    assert admin.post("queues/none/pause").status_code == 404
    assert admin.post("workers/nobody/ping").status_code == 404


def test_the_api_says_what_each_can_do(olga, answering):  # noqa: F811
    make_worker(pool="thread")
    program = Program(olga, "admin")
    [worker] = program.get("workers").json()["items"]
    assert set(worker["can"]) == {"ping", "shutdown"}
    assert worker["can"]["ping"] == reverse("api-worker-ping", args=["io@web-1"])
    answer = program.post("workers/io@web-1/ping").json()
    assert answer["worker"] == "io@web-1" and "pong" in answer["answer"]
    assert "cannot grow" in program.post("workers/io@web-1/grow").json()["detail"]
    queue = program.post("queues/io/pause").json()
    assert queue["paused"] and queue["still_taking"] == ["io@web-1"] and set(queue["can"]) == {"resume"}


def test_answers_have_the_described_shape(olga):  # noqa: F811
    from tests.unit.test_api_openapi import validator

    make_worker(lags=[5])
    make_worker("cpu@web-1", "prefork", ("cpu",), 2)
    push("io", waited=3)
    program = Program(olga)
    for path, shape in (("workers", "Worker"), ("queues", "Queue")):
        for item in program.get(path).json()["items"]:
            errors = list(validator({"$ref": f"#/components/schemas/{shape}"}).iter_errors(item))
            assert not errors and set(item) == set(validator({}).schema["components"]["schemas"][shape]["properties"])


def test_a_worker_named_as_no_address_is_reached_all_the_same(client, olga, answering):  # noqa: F811
    make_worker("odd name%@web-1")
    [worker] = workers.workers()
    client.force_login(olga)
    page = client.post(reverse("worker-act", args=[worker.name, "ping"]), follow=True)
    assert "answers pong" in page.content.decode()
    assert json.dumps(answering[-1][2]) == '["odd name%@web-1"]'
