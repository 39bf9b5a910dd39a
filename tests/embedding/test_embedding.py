"""The app `jobs` in somebody else's Django project, as docs/embedding.md says: its own processes, settings, tasks."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.services import free_port, start_redis
from tests.system.stack import wait_for

ROOT = Path(__file__).resolve().parents[2]
PASSWORD = "correct horse battery"
CALL = "from orders.tasks import {0}; print({0}.delay({1}).id)"


class Shop:
    """A copy of the project in a folder of its own, with its processes. Nothing of Jobsite's own site is set."""

    def __init__(self, folder: Path):
        self.folder = folder
        shutil.copytree(Path(__file__).parent / "project", folder, dirs_exist_ok=True)
        port, self.port = free_port(), free_port()
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
            "PYTHONUNBUFFERED": "1",
            "SHOP_REDIS": f"redis://127.0.0.1:{port}/0",
            "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
        }
        self.processes = [start_redis(folder / "redis", port)]

    def manage(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *words], cwd=self.folder, env=self.environment, capture_output=True,
            text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def start(self, name: str, *words: str) -> None:
        log = (self.folder / f"{name}.log").open("wb")
        self.processes.append(
            subprocess.Popen(
                [sys.executable, "manage.py", *words], cwd=self.folder, env=self.environment, stdout=log, stderr=log
            )
        )

    def call(self, task: str, arguments: str) -> str:
        """Call a task as the shop's own code does; the id of its job."""
        return self.manage("shell", "--no-imports", "-c", CALL.format(task, arguments)).split()[-1]

    def logs(self) -> str:
        return "\n".join(f"{path.name}: {path.read_text()[-1500:]}" for path in self.folder.glob("*.log"))

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    shop = Shop(tmp_path_factory.mktemp("shop"))
    try:
        shop.manage("migrate", "--verbosity", "0")
        shop.manage("createsuperuser", "--noinput", "--username", "admin", "--email", "admin@shop.example")
        shop.token = shop.manage("createtoken", "admin", "--scope", "admin").strip()
        shop.start("web", "runserver", "--noreload", f"127.0.0.1:{shop.port}")
        shop.start("keeper", "keeper")
        shop.start("io", "worker", "io", "--concurrency", "10")
        shop.start("cpu", "worker", "cpu", "--concurrency", "1")
        yield shop
    finally:
        shop.stop()


@pytest.fixture
def api(shop):
    headers = {"Authorization": f"Bearer {shop.token}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{shop.port}", headers=headers, timeout=30) as client:
        wait_for(lambda: _answers(client), 60, "the shop's web server")
        yield client


def _answers(client):
    try:
        return client.get("/shop").text == "The shop"
    except httpx.HTTPError:
        return False


def ended(shop, api, job_id):
    """The job once it is recorded as final."""

    def final():
        answer = api.get(f"/api/v1/jobs/{job_id}")
        job = answer.json() if answer.status_code == 200 else {}
        return job if job.get("state") in ("SUCCESS", "FAILURE", "REVOKED") else None

    try:
        return wait_for(final, 60, f"job {job_id}")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{shop.logs()}") from None


def test_its_own_tasks_are_recorded(shop, api):
    job = ended(shop, api, shop.call("invoice", "7, copies=2"))
    assert (job["kind"], job["state"], job["queue"]) == ("orders.tasks.invoice", "SUCCESS", "cpu")
    wait_for(lambda: api.get(f"/api/v1/jobs/{job['id']}").json()["result"], 20)
    assert api.get(f"/api/v1/jobs/{job['id']}").json()["result"] == {"number": 7, "copies": 2, "signed": False}


def test_its_retries_are_attempts_and_a_person_may_retry(shop, api):
    job = ended(shop, api, shop.call("ship", "3"))
    attempts = f"/api/v1/jobs/{job['id']}/attempts"
    states = [each["state"] for each in api.get(attempts).json()["items"]]
    assert (job["state"], states) == ("FAILURE", ["RETRY", "FAILURE"])
    assert api.post(f"/api/v1/jobs/{job['id']}/retry").status_code == 202
    wait_for(lambda: len(api.get(attempts).json()["items"]) >= 4, 60, "the attempts of the retry")
    assert "no lorry for 3" in ended(shop, api, job["id"])["error"]["message"]


def test_its_tasks_are_started_over_rest_with_secrets_in_clear_for_the_worker(shop, api):
    assert "orders.tasks.invoice" in [each["task"] for each in api.get("/api/v1/tasks").json()["items"]]
    body = {"task": "orders.tasks.invoice", "args": [8], "kwargs": {"password": "hunter2"}}
    job = ended(shop, api, api.post("/api/v1/jobs", json=body).json()["id"])
    assert job["state"] == "SUCCESS"
    result = wait_for(lambda: api.get(f"/api/v1/jobs/{job['id']}").json()["result"], 20)
    assert result == {"number": 8, "copies": 1, "signed": True}
    assert api.post("/api/v1/jobs", json={"task": "orders.tasks.invoice", "args": ["x"]}).status_code == 422


def test_a_kind_of_its_own_runs_and_keeps_its_file(shop, api):
    job = ended(shop, api, api.post("/api/v1/jobs", json={"kind": "parcel", "params": {"weight": 1.5}}).json()["id"])
    assert (job["state"], job["queue"]) == ("SUCCESS", "io")
    files = wait_for(lambda: api.get(f"/api/v1/jobs/{job['id']}/artifacts").json()["items"], 20)
    assert api.get(files[0]["links"]["download"]).content == b"1.5 kg"
    assert list((shop.folder / "var" / "files").rglob("*label.txt"))


def test_its_pages_are_whole(shop, api):
    with httpx.Client(base_url=api.base_url, timeout=30) as browser:
        assert browser.get("/jobs").status_code == 302
        token = _hidden(browser.get("/login").text)
        answer = browser.post("/login", data={"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": token})
        assert answer.status_code == 302
        for address in ("/", "/new", "/new/parcel", "/new/task/orders.tasks.invoice", "/jobs", "/schedules"):
            page = browser.get(address, follow_redirects=True)
            assert page.status_code == 200, address
            assert "<title>" in page.text and "The shop's own base" not in page.text
        assert "Write an invoice." in browser.get("/new").text
        for address in ("/static/jobsite.css", "/static/js/app.js"):
            assert browser.get(address).status_code == 200
        assert "Europe/Berlin" in browser.get("/new/parcel").text


def test_a_customers_account_does_not_come_in_and_no_kind_is_there_that_was_not_named(shop, api):
    kinds = [kind["kind"] for kind in api.get("/api/v1/kinds").json()["items"]]
    assert kinds == ["parcel"]
    assert api.post("/api/v1/jobs", json={"kind": "email", "params": {}}).status_code == 422
    make = "from django.contrib.auth.models import User; User.objects.create_user('carl', password='{0}')"
    shop.manage("shell", "--no-imports", "-c", make.format(PASSWORD))
    token = shop.manage("createtoken", "carl", "--scope", "write").strip()
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{api.base_url}/api/v1/jobs", headers=headers, timeout=30).status_code == 403
    with httpx.Client(base_url=api.base_url, timeout=30) as browser:
        form = {"username": "carl", "password": PASSWORD, "csrfmiddlewaretoken": _hidden(browser.get("/login").text)}
        answer = browser.post("/login", data=form)
        assert answer.headers["location"] == "/", "the console, and no page that nobody has"
        for address in ("/", "/new", "/jobs", "/schedules", "/new/parcel"):
            assert browser.get(address).status_code == 403, address


def test_its_own_edge_is_served_too(shop, api):
    port = free_port()
    shop.start("edge", "web", "--port", str(port))

    def ready():
        try:
            return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).json()
        except (httpx.HTTPError, ValueError):
            return {}

    try:
        wait_for(lambda: ready().get("ok"), 60, "readiness of the edge")
    except AssertionError:
        raise AssertionError(f"{ready()}\n{shop.logs()}") from None
    assert httpx.get(f"http://127.0.0.1:{port}/shop", timeout=10).text == "The shop"


def _hidden(page):
    return page.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
