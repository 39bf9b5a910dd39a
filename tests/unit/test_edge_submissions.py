"""Programs' submissions at the edge: answered as Django answers them, and stored together where many come at once."""

import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from django import forms
from django.db import OperationalError
from django.test import Client

from jobs.core.kind import Kind
from jobs.core.registry import all_kinds
from jobs.models import ApiToken, Job
from jobs.web.api import together
from jobs.web.live import submissions
from jobs.wire.connection import redis_client
from tests.unit.edge_serving import person, serving, until

pytestmark = pytest.mark.django_db(transaction=True)

#: What the form of `Held` waits for.
go_on = threading.Event()


class Held(Kind):
    """Take a number; its form is slow to make up its mind about 0."""

    slug, label, pool = "test-held", "Held", "io"

    class Form(forms.Form):
        number = forms.IntegerField(min_value=0)

        def clean_number(self):
            if self.cleaned_data["number"] == 0:
                assert go_on.wait(20)
            return self.cleaned_data["number"]

    def run(self, params, ctx):
        return params["number"]


class Once(Kind):
    """Be there once for each name."""

    slug, label, pool = "test-once", "Once", "io"

    class Form(forms.Form):
        name = forms.CharField()

    @classmethod
    def unique_key(cls, params):
        return params["name"]

    def run(self, params, ctx):
        return params["name"]


all_kinds.cache_clear()


@pytest.fixture(autouse=True)
def nobody_waits():
    go_on.clear()
    yield
    go_on.set()


@pytest.fixture
def groups(monkeypatch):
    """How many submissions each group had; none gets impatient."""
    found = []
    monkeypatch.setattr(submissions, "_PATIENCE", 20.0)

    def count(requests):
        found.append(len(requests))
        return together.submit_together(requests)

    monkeypatch.setattr(submissions, "submit_together", count)
    return found


def not_django(environ, start_response):
    """Stands behind the edge where nothing may reach it but what says so."""
    start_response("299 Django", [("Content-Type", "text/plain")])
    return [b"Django"]


def number(value):
    return {"kind": "test-held", "params": {"number": value}}


def at_once(client, bodies):
    with ThreadPoolExecutor(len(bodies)) as threads:
        return list(threads.map(lambda body: client.post("/api/v1/jobs", json=body), bodies))


def is_checking(found):
    return found._busy and not found._waiting


def behind_one(served, client, bodies):
    """The answers to submissions that come while one before them is being checked, which is titled Nought."""
    with ThreadPoolExecutor(len(bodies) + 1) as threads:
        first = threads.submit(client.post, "/api/v1/jobs", json={**number(0), "label": "Nought"})
        until(lambda: is_checking(served.edge.submissions))
        others = [threads.submit(client.post, "/api/v1/jobs", json=body) for body in bodies]
        until(lambda: len(served.edge.submissions._waiting) == len(bodies))
        go_on.set()
        assert first.result(20).status_code == 202
        return [each.result(20) for each in others]


def test_a_submission_is_stored_and_published_without_a_thread_of_djangos():
    user, token = person("lena")
    with serving(not_django) as served, served.client(token) as client:
        answer = client.post("/api/v1/jobs", json={**number(7), "label": "Seven", "priority": "high"})
    body = answer.json()
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/api/v1/jobs/{body['id']}"
    assert answer.headers["retry-after"] == "1" and "etag" not in answer.headers
    assert (body["state"], body["title"], body["priority"], body["owner"]) == ("PENDING", "Seven", "high", "lena")
    job = Job.objects.get(id=body["id"])
    assert (job.owner, job.via, job.params) == (user, "api", {"number": 7})
    [queue] = [key for key in redis_client().keys("io*") if redis_client().type(key) in ("list", b"list")]
    assert redis_client().llen(queue) == 1


REFUSED = {
    "malformed": b'{"kind": ',
    "no object": b"[1, 2]",
    "no kind": b"{}",
    "unknown kind": b'{"kind": "nothing", "params": {}}',
    "wrong value": b'{"kind": "test-held", "params": {"number": -1}}',
    "unknown parameter": b'{"kind": "test-held", "params": {"number": 1, "numbr": 2}}',
    "unknown field": b'{"kind": "test-held", "params": {"number": 1}, "colour": "red"}',
    "wrong priority": b'{"kind": "test-held", "params": {"number": 1}, "priority": "most"}',
    "queue of operators": b'{"kind": "test-held", "params": {"number": 1}, "queue": "cpu"}',
    "task of operators": b'{"task": "jobs.add", "kwargs": {}}',
    "arguments of a task": b'{"kind": "test-held", "args": [1]}',
    "NUL": b'{"kind": "test-held", "params": {"number": "\\u0000"}}',
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_refused_in_djangos_words(body):
    _, token = person("lena")
    with serving(not_django) as served, served.client(token) as client:
        ours = client.post("/api/v1/jobs", content=body, headers={"Content-Type": "application/json"})
    theirs = Client().post(
        "/api/v1/jobs", body, content_type="application/json", headers={"Authorization": f"Bearer {token}"}
    )
    assert ours.status_code == theirs.status_code >= 400
    assert ours.content == theirs.content
    for name in ("Content-Type", "Cache-Control", "Vary"):
        assert ours.headers[name] == theirs.headers[name]
    assert not Job.objects.exists()


def test_who_may_not_submit_is_told_so():
    user, token = person("lena")
    read_only = ApiToken.make(user, "reads", "read")[1]
    with serving(not_django) as served:
        for text, status in ((read_only, 403), ("wrong", 401), (token, 422)):
            with served.client(text) as client:
                answer = client.post("/api/v1/jobs?loud=1", json=number(1))
            assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert not Job.objects.exists()


def test_a_host_that_is_not_ours_gets_no_job():
    _, token = person("lena")
    with serving(not_django) as served, served.client(token) as client:
        assert client.post("/api/v1/jobs", json=number(1), headers={"Host": "elsewhere"}).status_code == 400
    assert not Job.objects.exists()


def test_files_keys_sessions_and_long_bodies_go_to_django():
    _, token = person("lena")
    long = {"kind": "test-held", "params": {"number": 1}, "label": "x" * 70_000}
    with serving(not_django) as served, served.client(token) as client:
        answers = [
            client.post("/api/v1/jobs", data={"kind": "test-held"}, files={"file": b"x"}),
            client.post("/api/v1/jobs", json=number(1), headers={"Idempotency-Key": "a"}),
            client.post("/api/v1/jobs", json=long),
            client.post("/api/v1/jobs", content=iter([json.dumps(number(1)).encode()])),
        ]
    assert [answer.status_code for answer in answers] == [299] * 4


def test_what_comes_while_a_group_is_stored_is_stored_together(groups):
    _, token = person("lena")
    with serving(not_django) as served, served.client(token) as client:
        answers = behind_one(served, client, [number(each) for each in range(1, 6)])
    assert [answer.status_code for answer in answers] == [202] * 5
    assert groups == [1, 5]
    ids = [answer.json()["id"] for answer in answers]
    stored = {job.id: job.params["number"] for job in Job.objects.exclude(title="Nought")}
    assert stored == dict(zip(ids, range(1, 6), strict=True))
    assert sum(redis_client().llen(key) for key in redis_client().keys("io*")) == 6


def test_a_slow_form_keeps_others_waiting_for_a_moment_only():
    _, token = person("lena")
    with serving(not_django) as served, served.client(token) as client, ThreadPoolExecutor(1) as threads:
        slow = threads.submit(client.post, "/api/v1/jobs", json=number(0))
        until(lambda: is_checking(served.edge.submissions))
        assert client.post("/api/v1/jobs", json=number(1)).status_code == 202
        assert not slow.done()
        go_on.set()
        assert slow.result(20).status_code == 202


def test_one_that_is_wrong_does_not_concern_the_others(groups):
    _, token = person("lena")
    with serving(not_django) as served, served.client(token) as client:
        answers = behind_one(served, client, [number(1), number(-1), number(2), {"kind": "nothing", "params": {}}])
    assert groups == [1, 4]
    assert [answer.status_code for answer in answers] == [202, 422, 202, 422]
    assert set(answers[1].json()["errors"]) == {"params.number"}
    assert sorted(job.params["number"] for job in Job.objects.all()) == [0, 1, 2]


def test_of_two_that_are_to_be_there_once_both_get_the_same_job_and_others_their_own(groups):
    _, token = person("lena")
    bodies = [{"kind": "test-once", "params": {"name": name}} for name in ("a", "b", "a")]
    with serving(not_django) as served, served.client(token) as client:
        answers = behind_one(served, client, bodies)
    assert groups == [1, 3]
    assert [answer.status_code for answer in answers] == [202] * 3
    a, b, again = (answer.json()["id"] for answer in answers)
    assert a == again != b
    assert sorted(Job.objects.filter(kind="test-once").values_list("id", flat=True)) == sorted({a, b})


def test_a_database_that_is_busy_is_told_to_all_and_nothing_is_stored(monkeypatch):
    def busy(drafts):
        raise OperationalError("database is locked")

    monkeypatch.setattr(together, "insert_drafts", busy)
    _, token = person("lena")
    with serving(not_django) as served, served.client(token) as client:
        answers = at_once(client, [number(1), number(2), number(3)])
    assert {(answer.status_code, answer.headers["retry-after"]) for answer in answers} == {(503, "2")}
    assert not Job.objects.exists()


def test_a_fault_of_ours_is_answered_and_the_next_submission_goes_on(monkeypatch, caplog):
    def broken(jobs):
        raise RuntimeError("broken")

    _, token = person("lena")
    with serving(not_django) as served, served.client(token) as client:
        with monkeypatch.context() as patched:
            patched.setattr(together, "publish_now", broken)
            assert client.post("/api/v1/jobs", json=number(1)).status_code == 500
        assert client.post("/api/v1/jobs", json=number(2)).status_code == 202
    assert "unforeseen error" in caplog.text


def test_a_body_that_breaks_off_makes_no_job():
    _, token = person("lena")
    with serving(not_django) as served:
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
            connection.sendall(
                b"POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                b"Authorization: Bearer " + token.encode() + b"\r\nContent-Length: 100\r\n\r\n"
                b'{"kind": "test-held", "params": {"number": 1}}'
            )
        with served.client(token) as client:
            assert client.post("/api/v1/jobs", json=number(2)).status_code == 202
    assert [job.params["number"] for job in Job.objects.all()] == [2]


def test_a_group_stays_within_its_owners_quota(settings, groups):
    user, token = person("lena")
    settings.QUOTA_UNFINISHED = 3
    with serving(not_django) as served, served.client(token) as client:
        answers = behind_one(served, client, [number(value) for value in range(1, 6)])
    assert sorted(answer.status_code for answer in answers) == [202, 202, 429, 429, 429]
    assert Job.objects.filter(owner=user).count() == 3
