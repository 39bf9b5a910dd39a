"""Disks that fill up under uploads and jobs: real ones, small enough to be filled."""

import io
import os
import re
import zipfile

import pytest

from tests.environment import VAR
from tests.system.rest import log_in
from tests.system.stack import PASSWORD, Stack, wait_for
from tests.tmpfs import fill, read_only, small_disk


@pytest.fixture(scope="module")
def places(stack, tmp_path_factory):
    """{"files": where jobs' files lie, "tmp": where uploads arrive}, each a disk of its own."""
    base = tmp_path_factory.mktemp("disks")
    with small_disk(base / "files", 24) as files, small_disk(VAR / "tmp", 24) as tmp:
        for name in ("web", "io", "cpu"):
            stack.kill(name)
        stack.start("web", "io", "cpu", STORAGE_URL=f"file://{files}")
        wait_for(lambda: stack.ready().get("checks", {}).get("worker_cpu", {}).get("ok"), 60, "the workers")
        yield {"files": files, "tmp": tmp}
        for name in ("web", "io", "cpu"):
            stack.kill(name)


@pytest.fixture(autouse=True)
def whole(places):
    """In place of the stack's own: with disks so small, readiness is not to be had."""


def a_zip(megabytes: int) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("a.bin", os.urandom(megabytes * 1024 * 1024))
    return content.getvalue()


def storage(stack: Stack) -> str:
    return stack.ready()["checks"]["storage"]["detail"]


def test_an_upload_that_finds_no_room_is_told_and_leaves_nothing(stack, places, api):
    browser = log_in(stack.url, "admin", PASSWORD)
    csrf = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', browser.get("/new/unpack").text)[1]
    for name in ("files", "tmp"):
        ballast = fill(places[name])
        try:
            before = sorted(path for path in places["files"].rglob("*") if path.is_file())
            files = {"archive": ("a.zip", a_zip(4), "application/zip")}
            answer = api.post("jobs", data={"kind": "unpack"}, files=files)
            assert answer.status_code == 507, answer.text
            assert answer.headers["content-type"] == "application/problem+json" and answer.headers["retry-after"]
            assert answer.json()["detail"].startswith("The server's storage is full: nothing of this was stored.")
            page = browser.post("/new/unpack", data={"csrfmiddlewaretoken": csrf}, files=files)
            assert page.status_code == 507 and "storage is full" in page.text
            assert "our fault" not in page.text and "text/html" in page.headers["content-type"]
            chosen = {"file": ("a.zip", a_zip(4), "application/zip")}
            sent = {"csrfmiddlewaretoken": csrf, "field": "archive"}
            kept = browser.post("/new/unpack/upload", data=sent, files=chosen)
            assert kept.status_code == 507
            assert before == sorted(path for path in places["files"].rglob("*") if path.is_file())
            arrived = [path for path in places["tmp"].rglob("*") if path.is_file() and path.name != ".lock"]
            assert [path for path in arrived if path != ballast] == []
        finally:
            ballast.unlink()
    small = {"archive": ("a.zip", a_zip(2), "application/zip")}
    assert api.post("jobs", data={"kind": "unpack"}, files=small).status_code == 202


def test_a_full_storage_is_told_by_readiness_and_the_overview(stack, places):
    browser = log_in(stack.url, "admin", PASSWORD)
    ballast = fill(places["files"])
    try:
        wait_for(lambda: "is full" in storage(stack), 10, "readiness to tell")
        page = browser.get("/").text
        assert "STORAGE_URL" in page and "is full" in page
    finally:
        ballast.unlink()
    with read_only(places["files"]):
        wait_for(lambda: "is read-only" in storage(stack), 10, "readiness to tell")
        assert "is read-only" in browser.get("/").text


def test_a_job_that_finds_no_room_says_so_and_succeeds_once_there_is_some(stack, places, api):
    ballast = fill(places["files"])
    job = api.post("jobs", json={"kind": "report", "params": {"source": "jobs"}}).json()["id"]

    def retried():
        found = api.get(f"jobs/{job}").json()
        return found["state"] == "RETRY" and found["error"] and found

    waiting = wait_for(retried, 60, "a retry")
    assert waiting["error"]["type"] == "NoRoom"
    assert waiting["error"]["message"].startswith("The server's storage is full: what this job makes cannot be kept")
    page = log_in(stack.url, "admin", PASSWORD).get(f"/jobs/{job}", follow_redirects=True).text
    assert "The server&#x27;s storage is full" in page
    left = [path for path in (places["files"] / "outputs").rglob("*") if path.is_file()]
    assert not [path for path in left if path.stat().st_size == 0]
    ballast.unlink()
    wait_for(lambda: api.get(f"jobs/{job}").json()["state"] == "SUCCESS", 90, "success")
