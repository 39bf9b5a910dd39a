"""`manage.py up`: everything in one command on a fresh folder, and nothing left once it is told to stop."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.services import free_port
from tests.system.rest import finish, follow, log_in, running
from tests.system.stack import ROOT, wait_for

PROGRAMS = {"redis", "mailcatcher", "keeper", "io", "cpu", "scheduler", "web"}


@pytest.fixture(autouse=True)
def whole():
    """These tests bring their own processes; the stack is not theirs."""


class Site:
    """One run of `manage.py up`, with what it prints."""

    def __init__(self, folder: Path):
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        given = ("REDIS_URL", "DATABASE_URL", "EMAIL_URL", "JOBSITE_ADMIN_PASSWORD", "TEST_DATABASE")
        self.environment = {name: value for name, value in os.environ.items() if name not in given}
        self.environment |= {
            "VAR_DIR": str(folder), "PORT": str(self.port), "DJANGO_SETTINGS_MODULE": "jobsite.settings",
            "CPU_CONCURRENCY": "2",
        }  # fmt: skip
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up"],
            cwd=ROOT, env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True)
        self.reader.start()

    def printed(self, pattern: str) -> "re.Match[str] | None":
        return re.search(pattern, "".join(list(self.lines)))

    def end(self) -> int:
        """The exit status, once all that was printed is read."""
        status = self.process.wait(60)
        self.reader.join(10)
        return status

    def is_ready(self) -> bool:
        answer = httpx.get(f"{self.url}/readyz", timeout=30)
        return answer.status_code == 200 and answer.json()["ok"]

    def manage(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """A command in a second shell, which finds the embedded servers by VAR_DIR alone."""
        return subprocess.run(
            [sys.executable, *words], cwd=ROOT, env=self.environment, capture_output=True, text=True, timeout=90
        )

    def client(self) -> httpx.Client:
        token = self.manage("manage.py", "createtoken", "admin", "--scope", "admin").stdout.strip()
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.Client(base_url=f"{self.url}/api/v1/", headers=headers, timeout=60)

    def processes(self) -> dict[int, str]:
        """Every process that lives on this VAR_DIR, by its environment."""
        mark, found = f"VAR_DIR={self.folder}\0".encode(), {}
        for folder in Path("/proc").iterdir():
            try:
                if folder.name.isdigit() and mark in (folder / "environ").read_bytes() + b"\0":
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
        return found


@contextmanager
def site_up(folder):
    site = Site(folder)
    try:
        wait_for(lambda: site.printed("Jobsite is ready") or site.process.poll() is not None, 60, "readiness")
        assert site.process.poll() is None, "".join(site.lines)
        yield site
    finally:
        if site.process.poll() is None:
            site.process.send_signal(signal.SIGTERM)
            try:
                site.process.wait(60)
            except subprocess.TimeoutExpired:
                site.process.kill()
                raise


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    with site_up(tmp_path_factory.mktemp("site")) as site:
        yield site


def test_a_fresh_folder_is_ready_and_the_printed_login_works(site):
    wait_for(site.is_ready, 10, "readiness")
    assert httpx.get(f"{site.url}/healthz").status_code == 200
    assert site.printed(re.escape(f"Jobsite is ready: {site.url}"))
    password = site.printed(r"\(admin / ([^\s)]+)\)")[1]
    browser = log_in(site.url, "admin", password)
    page = browser.get("/")
    assert page.status_code == 200 and "Log out" in page.text
    for asset in re.findall(r'(?:href|src)="(/static/[^"#]+)"', page.text):
        assert browser.get(asset).status_code == 200, asset
    # Told once, and kept nowhere.
    assert "".join(site.lines).count(password) == 1


def test_jobs_of_both_pools_run_and_mail_lands_in_the_mailbox(site):
    with site.client() as api:
        assert finish(api, "add", x=1, y=2)["result"] == 3.0
        assert finish(api, "compute", below=1000)["result"]["primes"] == 168
        sent = finish(api, "email", to=["ada@example.org", "grace@example.org"], subject="Caught here", text="T")
        assert sent["result"]["sent"] == 2
    shown = log_in(site.url, "admin", site.printed(r"\(admin / ([^\s)]+)\)")[1]).get("/mailbox").text
    assert "Caught here" in shown


def test_nothing_that_is_kept_is_open_to_other_users(site):
    with site.client() as api:
        assert finish(api, "report", source="jobs")["state"] == "SUCCESS"
    kept = [site.folder, *site.folder.rglob("*")]
    assert {"jobsite.sqlite3", "redis", "files", "secret_key", "nodes"} <= {path.name for path in kept}
    modes = {}
    for path in kept:
        with suppress(FileNotFoundError):  # a file of the moment
            modes[path] = path.lstat().st_mode
    assert {str(path): oct(mode) for path, mode in modes.items() if mode & 0o077} == {}


def test_celery_finds_the_embedded_redis_in_a_second_shell(site):
    done = site.manage("-m", "celery", "-A", "jobsite", "inspect", "ping", "--timeout", "10")
    assert done.returncode == 0, done.stderr
    assert "io@" in done.stdout and "cpu@" in done.stdout


def test_a_second_start_on_the_same_folder_is_refused_and_names_the_first(site):
    before = site.processes()
    second = site.manage("manage.py", "up")
    assert second.returncode == 1
    assert site.processes().keys() >= before.keys()
    assert f"already runs on {site.folder} (process {site.process.pid})" in second.stderr
    wait_for(site.is_ready, 10, "the first to be ready still")


def test_a_killed_program_is_told_and_started_again(site):
    (keeper,) = [pid for pid, command in site.processes().items() if command.endswith("manage.py keeper ")]
    os.kill(keeper, signal.SIGKILL)
    wait_for(lambda: site.printed("keeper was killed by SIGKILL"), 20, "the reason")
    with site.client() as api:
        assert finish(api, "add", x=2, y=2)["result"] == 4.0


def test_sigterm_lets_running_jobs_finish_leaves_no_process_and_what_waits_runs_at_the_next_start(tmp_path):
    with site_up(tmp_path) as site:
        assert len(site.processes()) >= 1 + len(PROGRAMS)
        with site.client() as api:
            job = running(api, seconds=6)
            due = datetime.now(UTC) + timedelta(seconds=20)
            waiting = api.post("jobs", json={"kind": "add", "due_at": due.isoformat()}).json()
        site.process.send_signal(signal.SIGTERM)
        assert site.end() == 0, "".join(site.lines)
        assert site.printed("all stopped")
        assert site.processes() == {}
        states = dict(sqlite3.connect(tmp_path / "jobsite.sqlite3").execute("SELECT id, state FROM jobs_job"))
        assert states == {job["id"]: "SUCCESS", waiting["id"]: "PENDING"}
        assert not site.printed("Traceback"), "".join(site.lines)
    with site_up(tmp_path) as site, site.client() as api:
        assert follow(api, waiting)[-1]["state"] == "SUCCESS"
