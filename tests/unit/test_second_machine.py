"""A web server on a machine where nothing was prepared, or where little may be written; and a wrong host name."""

import os
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager

import httpx
import pytest

from jobs.supervisor import redis
from tests.services import free_port
from tests.unit.edge_serving import serving, until
from tests.unit.test_edge_command import ROOT, environment, healthy, manage

__all__ = ["environment"]  # a fixture
#: A root that nothing may write to, VAR_DIR but for, without a /tmp: what is not mounted read-only is emptied.
READ_ONLY = """
set -e
for folder in /tmp /var/tmp /usr/tmp; do test -d $folder && mount -t tmpfs -o ro none $folder; done
mount --bind "$ROOT" "$ROOT" && mount -o remount,ro,bind "$ROOT"
cd "$ROOT"
exec "$@"
"""


@contextmanager
def web(environment, *more: str):
    port = free_port()
    server = manage(environment, "web", "--port", str(port), "--workers", "1", *more, stderr=subprocess.PIPE, text=True)
    said: list[str] = []
    reader = threading.Thread(target=lambda: said.extend(server.stderr), daemon=True)
    reader.start()
    try:
        until(lambda: healthy(port), 60)
        yield httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20), said
    finally:
        server.terminate()
        server.wait(30)
        reader.join(10)


def test_a_web_server_brings_its_static_files_itself(environment, tmp_path):
    assert manage(environment, "migrate", "-v0").wait(120) == 0
    with web(environment) as (client, said):
        page = client.get("/login")
        assert page.status_code == 200
        style = page.text.split('rel="stylesheet" href="')[1].split('"')[0]
        assert client.get(style).status_code == 200
        assert client.get("/readyz").json()["checks"]["static"] == {"ok": True, "detail": "There."}
    assert not [line for line in said if "static files" in line]
    # A later version's files replace them.
    (tmp_path / "static.stamp").write_text("of another version")
    (tmp_path / "static" / "staticfiles.json").unlink()
    with web(environment) as (client, _):
        assert client.get("/login").status_code == 200


def test_one_that_cannot_says_at_its_start_and_on_each_page_what_is_missing(environment, tmp_path):
    assert manage(environment, "migrate", "-v0").wait(120) == 0
    (tmp_path / "static").write_text("a file where the folder should be")
    with web(environment) as (client, said):
        assert client.get("/readyz").json()["checks"]["static"]["ok"] is False
        assert "static files of this server are missing" in client.get("/readyz").json()["checks"]["static"]["detail"]
        page = client.get("/login")
        assert page.status_code == 503 and "manage.py prepare" in page.text and "our fault" not in page.text
    [line] = [line for line in said if "static files" in line]
    assert line.startswith("The static files cannot be collected into ")


def test_a_wrong_host_name_is_told_as_what_it_is(db, caplog):
    with serving() as served, served.client(Host="shop.example:8000") as client:
        page = client.get("/login")
        posted = client.post("/login", data={"username": "a"})
        call = client.get("/api/v1/jobs", headers={"Authorization": "Bearer x"})
        sent = client.post("/api/v1/jobs/bulk", headers={"Authorization": "Bearer x"}, json={})
    for answer in (page, posted):
        assert answer.status_code == 400
        assert "This host name is not in ALLOWED_HOSTS" in answer.text and "shop.example:8000" in answer.text
        assert "fewer files" not in answer.text
        assert "default-src" in answer.headers["content-security-policy"]
    for answer in (call, sent):
        assert (answer.status_code, answer.json()["detail"]) == (400, "This host name is not in ALLOWED_HOSTS.")
    assert not [record for record in caplog.records if record.exc_info]


def test_so_it_is_without_the_edge(client):
    answer = client.get("/login", headers={"Host": "<b>.example"})
    assert answer.status_code == 400 and "This host name is not in ALLOWED_HOSTS" in answer.content.decode()
    assert b"<b>" not in answer.content
    assert client.get("/api/v1/jobs", headers={"Host": "shop.example"}).json()["detail"].endswith("ALLOWED_HOSTS.")


@pytest.mark.skipif(ROOT.is_relative_to("/tmp"), reason="this checkout lies in the very /tmp that is taken away")
@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="mounting wants root and unshare")
def test_a_read_only_root_without_tmp_runs_a_worker_and_a_web_server(environment):
    command = ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh"]
    given = {**environment, "VAR_DIR": "/mnt", "ROOT": str(ROOT)}
    told = "import tempfile, os; print(tempfile.gettempdir(), os.environ['TMPDIR'])"
    shell = f'mount -t tmpfs none /mnt; exec "{sys.executable}" manage.py shell --no-imports -v0 -c "$TOLD"'
    done = subprocess.run(
        [*command, "sh", "-c", shell], cwd=ROOT, env={**given, "TOLD": told}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    if "mount" in done.stderr and "denied" in done.stderr:
        pytest.skip(f"nothing can be mounted here: {done.stderr}")
    assert done.stdout.split() == ["/mnt/tmp", "/mnt/tmp"], done.stderr
    shell = f'mount -t tmpfs none /mnt; exec "{sys.executable}" manage.py worker cpu -c 1'
    worker = subprocess.Popen(
        [*command, "sh", "-c", shell], cwd=ROOT, env=given, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
        text=True,
    )  # fmt: skip
    lines = []
    for line in worker.stderr:
        lines.append(line)
        if "ready" in line:
            break
    worker.terminate()
    worker.communicate(timeout=60)
    assert "ready" in lines[-1], "".join(lines)


def test_a_folder_on_path_that_may_not_be_looked_into_is_passed_over(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "redis-server").write_text("x")
    (tmp_path / "closed").chmod(0)
    monkeypatch.setenv("PATH", f"{tmp_path / 'closed'}{os.pathsep}{os.environ['PATH']}")
    powerless = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    code = "from jobs.supervisor.redis import find_server; print(find_server())"
    done = subprocess.run(
        [*powerless, sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    (tmp_path / "closed").chmod(0o700)
    assert done.returncode == 0 and done.stdout.strip() == str(redis.find_server()), done.stderr
