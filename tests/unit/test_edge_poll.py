import threading
import time

import pytest

from jobs.models import ApiToken, Job
from jobs.web.live import poll
from jobs.wire import keys
from jobs.wire.connection import redis_client
from tests.unit.edge_serving import moving_job, person, progress, serving, told

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_moving_job_is_answered_with_its_live_progress():
    user, token = person("alice")
    job = moving_job(user)
    told(job, "PROGRESS", p=progress(4))
    with serving() as served, served.client(token) as client:
        answer = client.get(f"/api/v1/jobs/{job.id}")
    assert answer.status_code == 200
    assert answer.json()["state"] == "STARTED"
    assert answer.json()["progress"] == {"current": 4, "total": 10, "step": "sent", "eta": 15.0}
    assert answer.headers["retry-after"] == "1"


def test_the_same_etag_is_answered_304_until_something_happens():
    user, token = person("alice")
    job = moving_job(user)
    with serving() as served, served.client(token) as client:
        etag = client.get(f"/api/v1/jobs/{job.id}").headers["etag"]
        for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            same = client.get(f"/api/v1/jobs/{job.id}", headers={"If-None-Match": known})
            assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
        told(job, "PROGRESS", p=progress(5))
        changed = client.get(f"/api/v1/jobs/{job.id}", headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.json()["progress"]["current"] == 5


def test_every_etag_that_a_job_comes_with_is_the_one_that_a_long_poll_goes_by():
    user, token = person("alice")
    job = moving_job(user)
    with serving() as served, served.client(token) as client:
        address = f"/api/v1/jobs/{job.id}"
        etag = client.get(address).headers["etag"]
        seen = client.head(address)
        assert (seen.status_code, seen.content, seen.headers["etag"]) == (200, b"", etag)
        answers = [client.post(f"{address}/cancel"), client.post(f"{address}/rerun")]
        answers += [client.post("/api/v1/jobs", json={"kind": "add", "params": {"x": 1, "y": 2}}, headers=headers)
                    for headers in ({}, {"Idempotency-Key": "k"})]  # fmt: skip
    for answer in answers:
        assert "etag" not in answer.headers, answer.content


def test_a_wish_to_cancel_shows_at_once_though_no_event_tells_it():
    user, token = person("alice")
    job = moving_job(user)
    with serving() as served, served.client(token) as client:
        etag = client.get(f"/api/v1/jobs/{job.id}").headers["etag"]
        Job.objects.filter(pk=job.pk).update(cancel_requested_at=job.created)
        redis_client().hset(keys.run(job.id), "cancel", "1")
        answer = client.get(f"/api/v1/jobs/{job.id}", headers={"If-None-Match": etag})
    assert answer.json()["cancelling"] is True


def test_others_see_neither_the_job_nor_that_it_exists():
    user, _ = person("alice")
    _, other = person("bob")
    _, operator = person("olga", operator=True)
    job = moving_job(user)
    with serving() as served:
        with served.client(other) as client:
            hidden, missing = client.get(f"/api/v1/jobs/{job.id}"), client.get("/api/v1/jobs/nothing")
        with served.client(operator) as client:
            seen = client.get(f"/api/v1/jobs/{job.id}")
        with served.client() as client:
            unknown = client.get(f"/api/v1/jobs/{job.id}")
    assert hidden.status_code == missing.status_code == 404
    assert hidden.headers["content-type"] == "application/problem+json"
    assert hidden.json()["detail"].replace(job.id, "nothing") == missing.json()["detail"]
    assert seen.status_code == 200
    assert unknown.status_code == 401 and "Bearer" in unknown.headers["www-authenticate"]


def test_a_long_poll_is_held_until_the_job_changes(monkeypatch):
    monkeypatch.setattr(poll, "_LOOK_AGAIN", 60.0)
    user, token = person("alice")
    job = moving_job(user)
    with serving() as served, served.client(token) as client:
        etag = client.get(f"/api/v1/jobs/{job.id}").headers["etag"]
        timer = threading.Timer(0.7, lambda: told(job, "PROGRESS", p=progress(6)))
        started = time.monotonic()
        timer.start()
        answer = client.get(f"/api/v1/jobs/{job.id}?wait=10", headers={"If-None-Match": etag})
        took = time.monotonic() - started
        timer.join()
    assert answer.json()["progress"]["current"] == 6
    assert 0.6 < took < 8


def test_a_long_poll_without_change_ends_after_its_time_with_304(monkeypatch):
    monkeypatch.setattr(poll, "_LOOK_AGAIN", 60.0)
    user, token = person("alice")
    job = moving_job(user)
    with serving() as served, served.client(token) as client:
        etag = client.get(f"/api/v1/jobs/{job.id}?wait=5").headers["etag"]
        started = time.monotonic()
        answer = client.get(f"/api/v1/jobs/{job.id}?wait=0.5", headers={"If-None-Match": etag})
        took = time.monotonic() - started
    assert answer.status_code == 304
    assert 0.4 < took < 10


@pytest.mark.parametrize("wait", ["soon", "-1", "61", "nan", ""])
def test_a_wait_that_is_none_is_refused_by_name(wait):
    user, token = person("alice")
    job = moving_job(user)
    with serving() as served, served.client(token) as client:
        answer = client.get(f"/api/v1/jobs/{job.id}", params={"wait": wait})
    assert answer.status_code == 422
    assert "from 0 to 60" in answer.json()["errors"]["wait"][0]


def test_an_end_that_sql_has_yet_to_record_comes_with_its_result():
    user, token = person("alice")
    job, failing = moving_job(user), moving_job(user)
    redis_client().set(keys.result(job.id), b"what another serializer makes of it")
    told(job, "SUCCESS", result='{"sent": 3}')
    told(failing, "FAILURE", error_type="ConnectionRefusedError", error="no mail server")
    with serving() as served, served.client(token) as client:
        good = client.get(f"/api/v1/jobs/{job.id}")
        bad = client.get(f"/api/v1/jobs/{failing.id}").json()
    assert (good.json()["state"], good.json()["result"]) == ("SUCCESS", {"sent": 3})
    assert good.json()["times"]["finished"]
    assert "retry-after" not in good.headers
    assert (bad["state"], bad["error"]) == (
        "FAILURE", {"type": "ConnectionRefusedError", "message": "no mail server"},
    )  # fmt: skip


def test_a_final_job_that_is_retried_is_seen_to_move_at_once():
    user, token = person("alice")
    job = moving_job(user)
    told(job, "FAILURE")
    Job.objects.filter(pk=job.pk).update(state="FAILURE")
    with serving() as served, served.client(token) as client:
        assert client.get(f"/api/v1/jobs/{job.id}").json()["state"] == "FAILURE"
        Job.objects.filter(pk=job.pk).update(state="PENDING", attempt=2)
        told(job, "QUEUED", attempt=2)
        answer = client.get(f"/api/v1/jobs/{job.id}").json()
    assert (answer["state"], answer["attempt"]) == ("PENDING", 2)


def test_a_job_that_only_sql_knows_is_never_answered_from_memory():
    user, token = person("alice")
    job = Job.objects.create(kind="email", title="Later", owner=user, queue="io")
    with serving() as served, served.client(token) as client:
        assert client.get(f"/api/v1/jobs/{job.id}").json()["state"] == "PENDING"
        Job.objects.filter(pk=job.pk).update(state="REVOKED")
        assert client.get(f"/api/v1/jobs/{job.id}").json()["state"] == "REVOKED"


def test_a_foreign_id_may_hold_slashes_and_umlauts():
    _, token = person("olga", operator=True)
    Job.objects.create(id="nightly/übung 1", kind="tasks.night", is_kind=False, title="Night", queue="cpu")
    with serving() as served, served.client(token) as client:
        answer = client.get("/api/v1/jobs/nightly%2F%C3%BCbung%201")
    assert answer.json()["id"] == "nightly/übung 1"


def test_a_held_poll_ends_with_its_token():
    user, token = person("alice")
    job = moving_job(user)
    with serving() as served, served.client(token) as client:
        etag = client.get(f"/api/v1/jobs/{job.id}").headers["etag"]
        answers = []
        asking = threading.Thread(target=lambda: answers.append(
            client.get(f"/api/v1/jobs/{job.id}?wait=30", headers={"If-None-Match": etag})
        ))  # fmt: skip
        asking.start()
        ApiToken.objects.all().delete()
        asking.join(15)
    assert [answer.status_code for answer in answers] == [401]


def test_a_call_that_there_is_not_is_a_problem_whatever_the_method(client):
    for method in ("get", "post", "put", "delete", "patch"):
        answer = getattr(client, method)("/api/v1/nothing")
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json"), method
