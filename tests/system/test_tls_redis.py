"""The line on a Redis that is reached by TLS, with an authority of its own: every process by REDIS_URL alone."""

import subprocess
import sys

import pytest

from jobs.core.states import FINAL
from tests.system.stack import ROOT, Stack, wait_for
from tests.tls_redis import tls_door


@pytest.fixture(autouse=True)
def whole():
    """These tests bring their own processes; the stack is not theirs."""


class TLSStack(Stack):
    def __init__(self, var, url):
        super().__init__()
        self.logs, self.more = var, {"VAR_DIR": str(var), "REDIS_URL": url, "DATABASE_URL": ""}

    def environment(self):
        return {**super().environment(), **self.more}


@pytest.fixture
def site(tmp_path):
    with tls_door(tmp_path) as (port, authority):
        stack = TLSStack(tmp_path, f"rediss://127.0.0.1:{port}/5?ssl_ca_certs={authority}")
        stack.manage("prepare")
        stack.token = stack.manage("createtoken", "admin", "--scope", "admin").stdout.strip()
        try:
            stack.start("keeper", "io", "cpu", "web")
            wait_for(lambda: stack.ready().get("ok"), 60, "readiness")
            yield stack
        finally:
            stack.stop()


def test_jobs_run_on_both_pools_are_retried_and_cancelled_and_celery_clients_read_results(site):
    with site.api() as api:

        def ended(job):
            return wait_for(
                lambda: (found := api.get(f"jobs/{job}").json())["state"] in FINAL and found,
                60, f"{job} to end",
            )  # fmt: skip

        def send(**body):
            answer = api.post("jobs", json=body)
            assert answer.status_code in (200, 201, 202), answer.text
            return answer.json()["id"]

        added, computed = send(kind="add", params={"x": 2, "y": 3}), send(kind="compute", params={"below": 1000})
        retried = send(kind="flaky", params={"failures": 1})
        assert ended(added)["state"] == ended(computed)["state"] == ended(retried)["state"] == "SUCCESS"
        assert [ended(job)["attempt"] for job in (added, computed, retried)] == [1, 1, 2]
        long = send(kind="sleep", params={"seconds": 120})
        wait_for(lambda: api.get(f"jobs/{long}").json()["state"] == "STARTED", 30, "a job to run")
        api.post(f"jobs/{long}/cancel")
        assert ended(long)["state"] == "REVOKED"
        code = f"from jobsite.celery import app; print(app.AsyncResult({added!r}).get(timeout=20))"
        told = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env=site.environment(), capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip
        assert "5" in told.stdout, told.stderr
