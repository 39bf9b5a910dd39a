"""The page Tokens: made once shown, listed, revoked for good."""

import re

import pytest

from jobs.models import ApiToken, AuditEntry
from tests.unit.api_client import make_user

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def browser(client):
    client.force_login(make_user("lena"))
    return client


def make(browser, **fields):
    return browser.post("/tokens/", {"name": "nightly", "scope": "read", "lifetime": "30", **fields})


def test_only_for_those_who_are_logged_in(client):
    assert client.get("/tokens/").headers["Location"] == "/login?next=/tokens/"
    assert client.post("/tokens/1/revoke").status_code == 302


def test_empty(browser):
    assert "No tokens. Programs need one." in browser.get("/tokens/").content.decode()


def test_a_token_is_shown_once_and_works(browser):
    page = make(browser)
    text = re.search(r"jst_[\w-]+", page.content.decode())[0]
    assert "Copy it now; it is not shown again." in page.content.decode()
    assert "no-store" in page.headers["Cache-Control"]
    assert text not in browser.get("/tokens/").content.decode()
    token = ApiToken.objects.get()
    assert (token.name, token.scope, token.user.username) == ("nightly", "read", "lena")
    assert 29 <= (token.expires - token.created).days <= 30
    assert browser.get("/api/v1/kinds", headers={"Authorization": f"Bearer {text}"}).status_code == 200
    browser.post(f"/tokens/{token.pk}/revoke")
    assert browser.get("/api/v1/kinds", headers={"Authorization": f"Bearer {text}"}).status_code == 401
    assert "nightly is revoked" in browser.get("/tokens/").content.decode()
    assert [entry.action for entry in AuditEntry.objects.order_by("pk")] == ["create token", "revoke token"]


def test_bad_input_is_named(browser):
    page = make(browser, name="", scope="all")
    assert page.status_code == 422
    assert set(page.context["form"].errors) == {"name", "scope"}
    assert not ApiToken.objects.exists()


def test_one_sees_and_revokes_only_ones_own(browser, client):
    theirs, _ = ApiToken.make(make_user("tom"), "toms")
    assert "toms" not in browser.get("/tokens/").content.decode()
    assert browser.post(f"/tokens/{theirs.pk}/revoke").status_code == 404
    client.force_login(make_user("olga", is_staff=True))
    assert "toms" in client.get("/tokens/").content.decode()
    client.post(f"/tokens/{theirs.pk}/revoke")
    theirs.refresh_from_db()
    assert theirs.revoked is not None
