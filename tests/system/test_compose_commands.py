"""Each service's command of docker-compose.yml, with the environment it names, on PostgreSQL and Redis by hand."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from tests.services import free_port, start_postgres, start_redis
from tests.system.rest import finish, log_in
from tests.system.stack import ROOT, wait_for
from tests.unit.smtp_servers import Scripted, in_thread

SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
LASTING = [name for name, service in SERVICES.items() if service["image"] == "jobsite" and name != "prepare"]
SECRETS = {
    "SECRET_KEY": "only-for-this-test-" + "x" * 40, "POSTGRES_PASSWORD": "unused", "REDIS_PASSWORD": "redis-secret",
    "JOBSITE_ADMIN_PASSWORD": "admin secret",
}  # fmt: skip


@pytest.fixture(autouse=True)
def whole():
    """These tests bring their own processes; the stack is not theirs."""


def filled_in(text):
    """${NAME:-default} and ${NAME:?why}, as Compose does it; $$ is a dollar sign."""
    found = re.sub(r"\$\{(\w+)(?::-([^}]*)|:\?[^}]*)?\}", lambda m: SECRETS.get(m[1], m[2] or ""), text)
    return found.replace("$$", "$")


class Compose:
    """The services without containers: other hosts and ports, the rest as the file says."""

    def __init__(self, folder: Path, database: str, redis: str, smtp: str):
        self.folder, self.port = folder, free_port()
        self.here = {
            "DATABASE_URL": database, "REDIS_URL": redis, "EMAIL_URL": smtp, "PORT": str(self.port),
            "VAR_DIR": str(folder),
        }  # fmt: skip
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def environment(self, name: str) -> dict[str, str]:
        """Nothing of the tests' own settings."""
        said = {key: filled_in(value) for key, value in SERVICES[name]["environment"].items()}
        assert self.here.keys() <= said.keys()
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return {"PATH": path, "HOSTNAME": socket.gethostname(), "PYTHONUNBUFFERED": "1", **said, **self.here}

    def command(self, name: str) -> list[str]:
        python, *words = SERVICES[name]["command"]
        assert python == "python"
        return [sys.executable, *words]

    def run(self, name: str, *command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command, cwd=ROOT, env=self.environment(name), capture_output=True, text=True, timeout=120
        )

    def start(self, name: str) -> None:
        log = (self.folder / f"{name}.log").open("wb")
        self.processes[name] = subprocess.Popen(
            self.command(name), cwd=ROOT, env=self.environment(name), stdout=log, stderr=log, start_new_session=True
        )

    def stop(self) -> dict[str, int]:
        """SIGTERM, as Compose stops them; the exit codes."""
        for process in self.processes.values():
            process.send_signal(signal.SIGTERM)
        try:
            return {name: process.wait(60) for name, process in self.processes.items()}
        finally:
            for process in self.processes.values():
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGKILL)

    def healthcheck(self, name: str) -> "subprocess.CompletedProcess[str]":
        how, *words = SERVICES[name]["healthcheck"]["test"]
        if how == "CMD-SHELL":
            return self.run(name, "sh", "-c", filled_in(words[0]))
        python, *rest = (filled_in(word).replace(":8000", f":{self.port}") for word in words)
        return self.run(name, sys.executable if python == "python" else python, *rest)

    def ready(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False


@pytest.fixture(scope="module")
def compose(tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("compose"), free_port()
    options = [filled_in(word) for word in SERVICES["redis"]["command"][1:]]
    redis = start_redis(folder / "redis", port, *options)
    mail = Scripted()
    with in_thread(mail) as smtp:
        url = f"redis://:{SECRETS['REDIS_PASSWORD']}@127.0.0.1:{port}/0"
        compose = Compose(folder, start_postgres(folder / "db"), url, f"smtp://127.0.0.1:{smtp}")
        compose.mail = mail
        try:
            prepared = compose.run("prepare", *compose.command("prepare"))
            assert prepared.returncode == 0, prepared.stderr
            assert SECRETS["JOBSITE_ADMIN_PASSWORD"] not in prepared.stdout
            for name in LASTING:
                compose.start(name)
            wait_for(compose.ready, 60, "readiness")
            yield compose
        finally:
            compose.stop()
            redis.send_signal(signal.SIGTERM)
            redis.wait(20)


@pytest.fixture
def api(compose):
    token = compose.run("web", sys.executable, "manage.py", "createtoken", "admin", "--scope", "admin").stdout.strip()
    with httpx.Client(
        base_url=f"http://127.0.0.1:{compose.port}/api/v1/", headers={"Authorization": f"Bearer {token}"}, timeout=60
    ) as client:
        yield client


def test_preparing_again_changes_nothing(compose):
    again = compose.run("prepare", *compose.command("prepare"))
    assert again.returncode == 0 and "up to date" in again.stdout and "sign in" not in again.stdout


def test_jobs_run_through_and_mail_leaves_by_the_mail_server(compose, api):
    assert finish(api, "add", x=1, y=2)["result"] == 3.0
    assert finish(api, "compute", below=1000)["result"]["primes"] == 168
    sent = finish(api, "email", to=["ada@example.org"], subject="By SMTP", text="T")
    assert sent["state"] == "SUCCESS"
    assert [taken.recipients for taken in compose.mail.taken] == [["ada@example.org"]]


def test_the_login_that_was_set_opens_the_pages(compose):
    browser = log_in(f"http://127.0.0.1:{compose.port}", "admin", SECRETS["JOBSITE_ADMIN_PASSWORD"])
    page = browser.get("/jobs/")
    assert page.status_code == 200
    (style,) = re.findall(r'href="(/static/jobsite[^"]*\.css)"', page.text)
    assert browser.get(style).status_code == 200


def test_the_scheduler_starts_what_is_due(compose, api):
    source = (
        "from django_celery_beat.models import IntervalSchedule, PeriodicTask;"
        "every = IntervalSchedule.objects.create(every=1, period='seconds');"
        "PeriodicTask.objects.create(name='Each second', task='jobs.add', interval=every, kwargs='{\"x\": 4}')"
    )
    made = compose.run("web", sys.executable, "manage.py", "shell", "-c", source)
    assert made.returncode == 0, made.stderr

    def ended():
        items = api.get("jobs", params={"kind": "add", "state": "succeeded"}).json()["items"]
        return [job for job in items if job["title"] == "Each second"]

    assert len(wait_for(lambda: len(found := ended()) >= 2 and found, 40, "two scheduled jobs")) >= 2


@pytest.mark.parametrize("name", [name for name in LASTING if "healthcheck" in SERVICES[name]])
def test_its_health_check_passes(compose, name):
    checked = compose.healthcheck(name)
    assert checked.returncode == 0, f"{shlex.join(SERVICES[name]['healthcheck']['test'])}: {checked.stderr}"


def test_each_service_stops_in_order_when_told_to(compose):
    codes = compose.stop()
    assert codes == dict.fromkeys(LASTING, 0), codes
    for name in LASTING:
        compose.start(name)
    wait_for(compose.ready, 60, "readiness")
