"""Who may call: tokens, scopes, sessions, and other people's jobs."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from jobs.models import ApiToken, Job
from tests.unit.api_client import API, Program, check_problem, make_user
from tests.unit.api_kinds import VALID

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def user():
    return make_user("lena")


def ask(client, token, path="kinds"):
    return client.get(API + path, headers={"Authorization": token})


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer nonsense", "Basic bGVuYTp4", "Bearer jst_ü"])
def test_without_a_known_token_401(client, header):
    response = ask(client, header)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    check_problem(response)


def test_expired_revoked_and_inactive_tokens_are_refused(client, user):
    token, text = ApiToken.make(user, "x")
    assert ask(client, f"Bearer {text}").status_code == 200
    now = timezone.now()
    for field, value, word in [("expires", now - timedelta(seconds=1), "expired"), ("revoked", now, "revoked")]:
        setattr(token, field, value)
        token.save()
        response = ask(client, f"Bearer {text}")
        assert response.status_code == 401
        assert word in response.json()["detail"]
        setattr(token, field, None)
        token.save()
    user.is_active = False
    user.save()
    assert ask(client, f"Bearer {text}").status_code == 401


def test_only_the_hash_is_stored(user):
    token, text = ApiToken.make(user, "x")
    assert text not in str(vars(token))
    assert token.hash == ApiToken.hash_of(text)


def test_last_used_is_written_once_a_minute(user, django_assert_num_queries):
    program = Program(user)
    program.get("kinds")
    program.token.refresh_from_db()
    first = program.token.last_used
    assert first is not None
    with django_assert_num_queries(1):
        program.get("kinds")
    ApiToken.objects.update(last_used=first - timedelta(seconds=61))
    program.get("kinds")
    program.token.refresh_from_db()
    assert program.token.last_used > first - timedelta(seconds=61)


def test_scope_read_may_not_submit(user):
    program = Program(user, "read")
    response = program.post("jobs", {"kind": "test-every", "params": VALID})
    assert response.status_code == 403
    assert "'write'" in response.json()["detail"]
    assert not Job.objects.exists()


def test_session_needs_the_csrf_token(user):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    body = {"kind": "test-every", "params": VALID}
    assert browser.get(API + "kinds").status_code == 200
    refused = browser.post(API + "jobs", body, content_type="application/json")
    assert refused.status_code == 403
    assert "CSRF" in check_problem(refused)["detail"]
    browser.get("/login")
    browser.cookies["csrftoken"] = "x" * 32
    accepted = browser.post(API + "jobs", body, content_type="application/json", headers={"X-CSRFToken": "x" * 32})
    assert accepted.status_code == 202, accepted.content


def test_a_wrong_token_is_not_saved_by_a_session(client, user):
    client.force_login(user)
    assert ask(client, "Bearer wrong").status_code == 401


def test_somebody_elses_job_is_not_there(user):
    job_id = Program(user).post("jobs", {"kind": "test-every", "params": VALID}).json()["id"]
    other, operator = Program(make_user("tom")), Program(make_user("olga", is_staff=True))
    for path in ("", "/attempts", "/logs", "/artifacts", "/artifacts/abc"):
        assert other.get(f"jobs/{job_id}{path}").status_code == 404
    for verb in ("cancel", "retry", "rerun"):
        assert other.post(f"jobs/{job_id}/{verb}").status_code == 404
    assert other.get("jobs").json()["items"] == []
    assert operator.get(f"jobs/{job_id}").status_code == 200
    assert [item["id"] for item in operator.get("jobs").json()["items"]] == [job_id]
