"""Guessing passwords is slow at every door, whoever has the account comes in, and log and audit tell."""

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from jobs.models import AuditEntry, LoginCount
from jobs.web.login import slowdown

pytestmark = pytest.mark.django_db
DOORS = ["/login", "/admin/login/"]


@pytest.fixture
def ada():
    return get_user_model().objects.create_superuser("ada", password="right")


def enter(client, password, *, door="/login", name="ada", address="8.8.8.8", **more):
    return client.post(door, {"username": name, "password": password}, REMOTE_ADDR=address, **more)


def is_in(client):
    return "_auth_user_id" in client.session


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Time passes when a test says so."""
    at = [timezone.now()]
    monkeypatch.setattr(slowdown, "timezone", SimpleNamespace(now=lambda: at[0]))

    def pass_time(**much):
        at[0] += timedelta(**much)

    return pass_time


@pytest.mark.parametrize("door", DOORS)
def test_after_forty_wrong_passwords_the_right_one_waits(client, ada, door, clock):
    answers = [enter(client, f"wrong{number}", door=door) for number in range(40)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 35
    refused = enter(client, "right", door=door)
    assert refused.status_code == 429 and not is_in(client)
    seconds = int(refused.headers["Retry-After"])
    assert 1 <= seconds <= slowdown.ACCOUNT.longest
    page = refused.content.decode()
    assert f"Try again in {seconds} second" in page and "<script" not in page.split("<main")[1]
    assert "Content-Security-Policy" in refused.headers
    clock(seconds=seconds)
    assert enter(client, "right", door=door).status_code == 302 and is_in(client)


def test_the_doors_count_together(client, ada):
    for number in range(5):
        assert enter(client, "wrong", door=DOORS[number % 2]).status_code == 200
    assert {enter(client, "right", door=door).status_code for door in DOORS} == {429}


def test_waits_double_up_to_a_bound_and_are_forgotten(client, ada, clock):
    waits = []
    for _ in range(16):
        enter(client, "wrong", address=f"9.9.{len(waits)}.9")
        row = LoginCount.objects.get(key=slowdown._digest("account", str(ada.pk)))
        waits.append(round((row.until - row.changed).total_seconds()))
        clock(seconds=waits[-1])
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    clock(hours=12)
    assert [enter(client, "wrong").status_code for _ in range(5)] == [200] * 5


def test_one_address_is_slowed_down_over_many_accounts(client, ada):
    codes = [enter(client, "wrong", name=f"user{number}").status_code for number in range(30)]
    assert codes == [200] * 20 + [429] * 10
    assert enter(client, "right", address="8.8.4.4").status_code == 302, "another address is none of his"


def test_of_ipv6_a_whole_line_counts_as_one(client, ada):
    codes = [enter(client, "wrong", name=f"u{n}", address=f"2a00:1:2:3::{n + 1:x}").status_code for n in range(22)]
    assert codes == [200] * 20 + [429] * 2
    assert enter(client, "wrong", name="x", address="2a00:1:2:4::1").status_code == 200


def test_the_owners_browser_does_not_wait_for_an_attacker(client, ada):
    assert enter(client, "right").status_code == 302
    client.post("/logout")
    for _ in range(50):
        enter(Client(), "wrong", address="8.8.8.8")
    assert enter(Client(), "right", address="1.1.1.1").status_code == 429
    assert enter(client, "right").status_code == 302 and is_in(client)


def test_a_known_browser_is_slowed_down_itself(client, ada):
    enter(client, "right")
    client.post("/logout")
    assert [enter(client, "wrong").status_code for _ in range(7)] == [200] * 5 + [429] * 2


def test_ones_own_browser_opens_no_other_account(client, ada):
    get_user_model().objects.create_user("eve", password="eves")
    assert enter(client, "eves", name="eve").status_code == 302
    cookie = client.cookies[slowdown.COOKIE]
    assert cookie["httponly"] and cookie["samesite"] == "Lax"
    client.post("/logout")
    assert [enter(client, "wrong").status_code for _ in range(7)] == [200] * 5 + [429] * 2


def test_a_forged_cookie_is_none(client, ada):
    client.cookies[slowdown.COOKIE] = f'["{ada.pk}","x"]:1abc:forged'
    assert [enter(client, "wrong").status_code for _ in range(7)] == [200] * 5 + [429] * 2


def test_an_attackers_own_logins_do_not_clear_his_address(client, ada):
    get_user_model().objects.create_user("eve", password="eves")
    codes = []
    for number in range(40):
        codes.append(enter(Client(), "wrong", name=f"user{number}").status_code)
        enter(Client(), "eves", name="eve")
    assert codes.count(200) <= slowdown.ADDRESS.free + 1


def test_an_unknown_name_is_slowed_down_alike_and_not_written_down(client, ada, caplog):
    codes = [enter(client, "x", name="MyPassw0rd!").status_code for _ in range(7)]
    assert codes == [200] * 5 + [429] * 2
    told = caplog.text + str(list(AuditEntry.objects.values_list("target", "detail")))
    assert "MyPassw0rd!" not in told and "an unknown name" in told


@pytest.mark.parametrize("name", ["a\0b", "x" * 100_000, "ädä", "😀"])
def test_any_name_is_answered(client, ada, name):
    assert enter(client, "wrong", name=name).status_code == 200


def test_log_and_audit_tell_each_failure_once(client, ada, caplog):
    for _ in range(6):
        enter(client, "wrong-pass-word")
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("jobs.web.login")]
    assert len(lines) == 6 and lines[0] == "login of ada from 8.8.8.8 failed: wrong password; next after 0 s"
    assert lines[5].startswith("login of ada from 8.8.8.8 refused for ")
    entries = AuditEntry.objects.filter(action="failed login")
    assert entries.count() == 5 and {entry.user_id for entry in entries} == {ada.pk}
    assert entries.last().target == "ada from 8.8.8.8" and entries.last().detail["address"] == "8.8.8.8"
    assert "wrong-pass-word" not in caplog.text


def test_a_login_that_succeeds_starts_anew(client, ada, clock):
    for _ in range(20):
        for _ in range(3):
            assert enter(Client(), "wrong").status_code in (200, 429)
        clock(seconds=900)
        assert enter(Client(), "right").status_code == 302
        clock(seconds=900)
    assert not AuditEntry.objects.filter(action="failed login").filter(detail__next_after_seconds__gt=900).exists()


class TestPasswordChange:
    def change(self, client, old):
        sent = {"old_password": old, "new_password1": "Gr8-new-word", "new_password2": "Gr8-new-word"}
        return client.post("/password", sent, REMOTE_ADDR="8.8.8.8")

    def test_the_old_password_is_guessed_as_slowly(self, client, ada, caplog, clock):
        client.force_login(ada)
        codes = [self.change(client, f"wrong{number}").status_code for number in range(40)]
        assert codes == [200] * 5 + [429] * 35
        assert self.change(client, "right").status_code == 429
        assert AuditEntry.objects.filter(action="failed password change", user=ada).count() == 5
        assert "password change of ada from 8.8.8.8 failed" in caplog.text
        clock(seconds=300)
        assert self.change(client, "right").status_code == 302
        assert get_user_model().objects.get(pk=ada.pk).check_password("Gr8-new-word")

    def test_the_admins_own_form_is_this_one(self, client, ada):
        client.force_login(ada)
        assert client.get("/admin/password_change/").headers["Location"] == "/password"
        assert client.post("/admin/password_change/", {"old_password": "right"}).status_code == 302


def test_our_page_slows_down_in_a_project_that_set_nothing(client, ada, settings):
    settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.ModelBackend"]
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "login.doors" not in name]
    assert [enter(Client(), "wrong").status_code for _ in range(7)] == [200] * 5 + [429] * 2
    assert AuditEntry.objects.filter(action="failed login").count() == 5


def test_old_counts_are_deleted(client, ada):
    LoginCount.objects.create(key="old", changed=timezone.now() - timedelta(days=2))
    enter(client, "wrong")
    assert not LoginCount.objects.filter(key="old").exists()
