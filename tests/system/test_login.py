"""Guessing passwords against the real server: many at once, behind a proxy, and while Redis is away."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
from django.utils import timezone

from jobs.models import AuditEntry, LoginCount
from tests.system.rest import log_in
from tests.system.stack import PASSWORD, wait_for


def enter(stack, password, name="bob", **headers):
    with httpx.Client(base_url=stack.url, timeout=60, headers=headers) as client:
        client.get("/login")
        sent = {"username": name, "password": password, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        return client.post("/login", data=sent)


def wait_a_minute():
    """However slow this machine is, the next password comes too soon."""
    LoginCount.objects.update(until=timezone.now() + timedelta(seconds=60))


def test_many_at_once_are_as_slow_as_one_after_the_other(stack):
    LoginCount.objects.all().delete()
    AuditEntry.objects.filter(action="failed login").delete()  # other tests' guesses
    owner = log_in(stack.url, "bob")
    owner.cookies.delete("sessionid")
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda number: enter(stack, f"wrong{number}").status_code, range(40)))
    assert set(codes) == {200, 429} and codes.count(200) < 12, codes
    row = LoginCount.objects.order_by("-until").first()
    assert row is not None and codes.count(200) == AuditEntry.objects.filter(action="failed login").count()
    wait_a_minute()
    refused = enter(stack, PASSWORD)
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) >= 1
    sent = {"username": "bob", "password": PASSWORD, "csrfmiddlewaretoken": owner.cookies["csrftoken"]}
    assert owner.post("/login", data=sent).status_code == 302, "the owner's own browser does not wait"
    assert "failed: wrong password" in (stack.logs / "web.log").read_text()


def test_a_forwarded_address_counts_only_of_a_named_proxy(stack):
    LoginCount.objects.all().delete()
    AuditEntry.objects.filter(action="failed login").delete()
    enter(stack, "wrong", **{"X-Forwarded-For": "203.0.113.9"})
    assert AuditEntry.objects.get(action="failed login").detail["address"] == "127.0.0.1"
    stack.kill("web")
    stack.start("web", TRUSTED_PROXIES="127.0.0.1")
    wait_for(lambda: stack.ready().get("ok"), 60, "readiness")
    enter(stack, "wrong", **{"X-Forwarded-For": "203.0.113.9"})
    assert AuditEntry.objects.filter(action="failed login").last().detail["address"] == "203.0.113.9"
    stack.kill("web")
    stack.start("web")
    wait_for(lambda: stack.ready().get("ok"), 60, "readiness")


def test_while_redis_is_away_the_door_is_as_ever(stack):
    LoginCount.objects.all().delete()
    stack.stop_redis()
    try:
        codes = [enter(stack, "wrong").status_code for _ in range(5)]
        assert codes[0] == 200 and set(codes) <= {200, 429}, codes
        assert LoginCount.objects.filter(failures__gte=1).exists(), "counted without Redis"
        wait_a_minute()
        assert enter(stack, PASSWORD).status_code == 429
        LoginCount.objects.all().delete()
        assert enter(stack, PASSWORD).status_code == 302
    finally:
        stack.start_redis()
