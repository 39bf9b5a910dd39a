import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from jobs.models import ApiToken
from jobs.web.api.remembered import tokens
from jobs.wire import keys
from jobs.wire.connection import redis_client
from tests.unit.edge_serving import moving_job, person, serving, until

pytestmark = pytest.mark.django_db(transaction=True)


def session_cookie(user) -> str:
    browser = Client()
    browser.force_login(user)
    return f"sessionid={browser.cookies['sessionid'].value}"


def test_a_session_is_as_good_as_a_token_and_ends_with_the_logout():
    user, _ = person("alice")
    job = moving_job(user)
    browser = Client()
    browser.force_login(user)
    cookie = f"theme=dark; sessionid={browser.cookies['sessionid'].value}"
    with serving() as served, served.client(Cookie=cookie) as client:
        assert client.get(f"/api/v1/jobs/{job.id}").status_code == 200
        browser.logout()
        until(lambda: client.get(f"/api/v1/jobs/{job.id}").status_code == 401)


def test_a_changed_password_ends_sessions():
    user, _ = person("alice")
    job = moving_job(user)
    with serving() as served, served.client(Cookie=session_cookie(user)) as client:
        assert client.get(f"/api/v1/jobs/{job.id}").status_code == 200
        user.set_password("another long secret")
        user.save()
        until(lambda: client.get(f"/api/v1/jobs/{job.id}").status_code == 401)


@pytest.mark.parametrize("end", ["revoke", "delete", "deactivate"])
def test_a_token_ends_at_once(end):
    user, token = person("alice")
    job = moving_job(user)
    with serving() as served, served.client(token) as client:
        assert client.get(f"/api/v1/jobs/{job.id}").status_code == 200
        if end == "revoke":
            row = ApiToken.objects.get()
            row.revoked = timezone.now()
            row.save()
        elif end == "delete":
            ApiToken.objects.get().delete()
        else:
            user.is_active = False
            user.save()
        until(lambda: client.get(f"/api/v1/jobs/{job.id}").status_code == 401)


def test_news_from_another_process_is_heard():
    user, token = person("alice")
    job = moving_job(user)
    with serving() as served, served.client(token) as client:
        until(lambda: tokens._listening)
        assert client.get(f"/api/v1/jobs/{job.id}").status_code == 200
        # An UPDATE sends no signal here, as a signal in another process would not reach this one.
        get_user_model().objects.update(is_active=False)
        assert client.get(f"/api/v1/jobs/{job.id}").status_code == 200
        redis_client().publish(keys.ACCESS_CHANNEL, "changed")
        until(lambda: client.get(f"/api/v1/jobs/{job.id}").status_code == 401)


def test_an_expired_token_is_refused():
    user, _ = person("alice")
    _, expired = ApiToken.make(user, "old", expires=timezone.now())
    with serving() as served, served.client(expired) as client:
        assert client.get("/api/v1/jobs/any").status_code == 401


@pytest.mark.parametrize("header", ["Basic YWxpY2U6c2VjcmV0", "Bearer", "Bearer wrong"])
def test_a_wrong_token_is_not_saved_by_a_good_session(header):
    user, _ = person("alice")
    with serving() as served, served.client(Cookie=session_cookie(user), Authorization=header) as client:
        assert client.get("/api/v1/jobs/any").status_code == 401


def test_a_foreign_host_name_is_refused():
    _, token = person("alice")
    with serving() as served, served.client(token, Host="evil.example") as client:
        assert client.get("/api/v1/jobs/any").status_code == 400
        assert client.get("/api/v1/events").status_code == 400
