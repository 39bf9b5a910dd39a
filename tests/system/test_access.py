"""Who may ask for what, and what tells outsiders how things stand: tokens, Celery clients, the command, health."""

import json
import subprocess
import sys
import time

import httpx
import pytest
from celery import Celery
from celery.result import AsyncResult
from django.conf import settings

from jobs.models import ApiToken
from tests.system.rest import finish, is_problem, log_in, recorded, submit
from tests.system.stack import ROOT, wait_for
from tests.unit.images import data, quarters


def get(url, **options):
    """As httpx does it, with time for a loaded machine."""
    return httpx.get(url, timeout=30, **options)


class TestAccess:
    def test_nobody_without_a_token_and_nothing_beyond_its_scope(self, stack, api):
        job = submit(api, "add")
        paths = ["jobs", f"jobs/{job['id']}", f"jobs/{job['id']}/attempts", "kinds", "events"]
        for headers in ({}, {"Authorization": "Bearer jst_wrong"}, {"Authorization": "Basic YTpi"}):
            for path in paths:
                answer = get(f"{stack.url}/api/v1/{path}", headers=headers)
                is_problem(answer, 401)
                assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        read = stack.manage("createtoken", "alice", "--scope", "read").stdout.strip()
        with stack.api(read) as client:
            assert client.get("jobs").status_code == 200
            is_problem(client.post("jobs", json={"kind": "add"}), 403)

    def test_others_jobs_are_as_if_they_were_not(self, stack, alice, bob):
        job = finish(alice, "image", files={"images": ("red.png", data(quarters()))}, format="webp")
        recorded(alice, job)
        (made,) = [a for a in alice.get(f"jobs/{job['id']}/artifacts").json()["items"] if not a["is_input"]]
        for path in ("", "/attempts", "/logs", "/artifacts", f"/artifacts/{made['id']}"):
            assert alice.get(f"jobs/{job['id']}{path}").status_code == 200, path
            is_problem(bob.get(f"jobs/{job['id']}{path}"), 404)
        for action in ("cancel", "retry", "rerun"):
            is_problem(bob.post(f"jobs/{job['id']}/{action}"), 404)
        assert job["id"] in [item["id"] for item in alice.get("jobs").json()["items"]]
        assert job["id"] not in [item["id"] for item in bob.get("jobs", params={"limit": 200}).json()["items"]]
        assert not bob.get("jobs", params={"q": job["id"]}).json()["items"]

    @pytest.mark.parametrize("job", ["nothing", "0" * 32, "%00", "..%2F..%2Fetc", "%F0%9F%92%A5", "a" * 300])
    def test_an_unknown_id_is_a_404(self, stack, api, job):
        for path in ("", "/attempts", "/logs", "/artifacts", "/artifacts/nothing"):
            is_problem(api.get(f"jobs/{job}{path}"), 404)
        is_problem(api.post(f"jobs/{job}/cancel"), 404)

    def test_an_address_with_a_nul_breaks_no_page(self, stack):
        browser = log_in(stack.url, "alice")
        for path in ("jobs/%00/", "jobs/%00/live", "jobs/?q=%00", "jobs/rows?id=%00", "new/add?from=%00", "new/%00"):
            assert browser.get(f"/{path}").status_code in (400, 404), path

    def test_a_revoked_token_ends_at_once_also_where_the_edge_remembers_it(self, stack):
        text = stack.manage("createtoken", "bob", "--scope", "write", "--name", "soon gone").stdout.strip()
        token = ApiToken.objects.get(hash=ApiToken.hash_of(text))
        with stack.api(text) as client, stack.api(text) as listener:
            job = submit(client, "add")
            # Remembered by the edge, and held open.
            assert client.get(f"jobs/{job['id']}").status_code == 200
            with listener.stream("GET", "events") as stream:
                lines = stream.iter_lines()
                next(lines)
                browser = log_in(stack.url, "bob")
                sent = {"csrfmiddlewaretoken": browser.cookies["csrftoken"]}
                assert browser.post(f"/tokens/{token.pk}/revoke", data=sent).status_code == 302
                revoked = time.monotonic()
                for _ in lines:
                    assert time.monotonic() - revoked < 10, "the stream goes on for a revoked token"
                assert time.monotonic() - revoked < 5
            is_problem(client.get(f"jobs/{job['id']}"), 401)
            is_problem(client.get("jobs"), 401)

    def test_a_session_serves_a_browser_but_changes_nothing_without_its_token(self, stack):
        browser = log_in(stack.url, "alice")
        assert browser.get("/api/v1/jobs").status_code == 200
        is_problem(browser.post("/api/v1/jobs", json={"kind": "add"}), 403)
        headers = {"X-CSRFToken": browser.cookies["csrftoken"]}
        assert browser.post("/api/v1/jobs", json={"kind": "add"}, headers=headers).status_code == 202


class TestCelery:
    def test_a_bare_client_says_what_the_api_says(self, stack, api):
        client = Celery(backend=settings.REDIS_URL, broker=settings.REDIS_URL, set_as_current=False)
        for kind, params in (
            ("count", {"to": 2, "pause": 0}),
            ("flaky", {"permanent": True}),
            ("compute", {"below": 99}),
        ):
            job = finish(api, kind, **params)
            result = AsyncResult(job["id"], app=client)
            assert result.state == job["state"]
            if job["state"] == "SUCCESS":
                assert result.get(timeout=5) == job["result"]
            else:
                assert job["error"]["message"] in str(result.result)

    def test_inspect_shows_an_eventlet_and_a_prefork_pool(self, stack):
        def stats():
            done = subprocess.run(
                [sys.executable, "-m", "celery", "-A", "jobsite", "inspect", "stats", "--json", "--timeout", "10"],
                cwd=ROOT, env=stack.environment(), capture_output=True, text=True, timeout=90, check=True,
            )  # fmt: skip
            return json.loads(done.stdout[done.stdout.index("{") :])

        pools = {node.split("@")[0]: answer["pool"] for node, answer in stats().items()}
        assert pools["io"]["implementation"].startswith("celery.concurrency.eventlet")
        assert pools["cpu"]["implementation"].startswith("celery.concurrency.prefork")
        assert pools["cpu"]["max-concurrency"] == 2


class TestSubmitCommand:
    def test_its_exit_status_is_what_became_of_the_job(self, stack, api):
        done = stack.manage("submit", "add", "-p", "x=40", "-p", "y=2", "--wait", check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines()[-1] == "42.0"
        failed = stack.manage("submit", "flaky", "-p", "permanent=true", "--wait", check=False)
        assert failed.returncode == 1 and "asked to fail for good" in failed.stderr
        refused = stack.manage("submit", "add", "-p", "x=many", "--wait", check=False)
        assert refused.returncode == 2 and "x:" in refused.stderr
        command = subprocess.Popen(
            [sys.executable, "manage.py", "submit", "sleep", "-p", "seconds=120", "--wait"],
            cwd=ROOT, env=stack.environment(), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        job = command.stdout.readline().strip()
        assert api.post(f"jobs/{job}/cancel").status_code == 202
        assert command.wait(30) == 3


class TestHealth:
    def test_what_runs_is_ready_and_each_part_is_named(self, stack):
        assert get(f"{stack.url}/healthz").text == "ok\n"
        answer = get(f"{stack.url}/readyz")
        checks = answer.json()["checks"]
        assert answer.status_code == 200
        assert set(checks) == {"sql", "redis", "keeper", "worker_io", "worker_cpu", "disk", "storage", "static"}
        assert "io@" in checks["worker_io"]["detail"]
        through_a_proxy = get(f"{stack.url}/readyz", headers={"X-Forwarded-For": "203.0.113.7"})
        assert "detail" not in through_a_proxy.json()["checks"]["sql"]

    def test_metrics_are_for_this_machine_and_operators(self, stack, tokens):
        text = get(f"{stack.url}/metrics").text
        assert "jobsite_jobs{" in text and "jobsite_queue_messages{" in text and "jobsite_redis_up 1.0" in text
        outside = {"X-Forwarded-For": "203.0.113.7"}
        url = f"{stack.url}/metrics"
        assert get(url, headers=outside).status_code == 401
        assert get(url, headers={**outside, "Authorization": f"Bearer {tokens['alice']}"}).status_code == 401
        assert get(url, headers={**outside, "Authorization": f"Bearer {stack.token}"}).status_code == 200

    def test_a_worker_that_is_gone_is_named_by_readyz(self, stack):
        stack.kill("cpu", 15)
        body = wait_for(lambda: (found := stack.ready()).get("ok") is False and found, 45, "readyz to notice")
        assert not body["checks"]["worker_cpu"]["ok"] and body["checks"]["worker_io"]["ok"]
        assert "manage.py worker cpu" in body["checks"]["worker_cpu"]["detail"]
