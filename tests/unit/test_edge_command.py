"""`manage.py web` as a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.services import free_port
from tests.unit.edge_serving import until

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def environment(tmp_path):
    return {**os.environ, "VAR_DIR": str(tmp_path), "DATABASE_URL": ""}


def manage(environment, *arguments: str, **options):
    return subprocess.Popen([sys.executable, "manage.py", *arguments], cwd=ROOT, env=environment, **options)


def healthy(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize(("workers", "stop"), [("1", signal.SIGTERM), ("1", signal.SIGINT), ("2", signal.SIGTERM)])
def test_a_stop_ends_open_streams_and_long_polls_at_once_with_status_0(environment, workers, stop):
    assert manage(environment, "migrate", "-v0").wait(60) == 0
    made = (
        "from django.contrib.auth.models import User; from jobs.models import ApiToken, Job;"
        "user = User.objects.create_user('alice'); print(ApiToken.make(user, 'test')[1]);"
        "Job.objects.create(id='waiting', kind='email', title='A job', owner=user, queue='io')"
    )
    shell = manage(environment, "shell", "-v0", "-c", made, stdout=subprocess.PIPE, text=True)
    token = shell.communicate(timeout=60)[0].strip()
    port = free_port()
    server = manage(environment, "web", "--port", str(port), "--workers", workers)
    held: list[socket.socket] = []
    try:
        until(lambda: healthy(port), 30)
        etag = httpx.get(
            f"http://127.0.0.1:{port}/api/v1/jobs/waiting", headers={"Authorization": f"Bearer {token}"}
        ).headers["etag"]
        expect = "Expect: 100-continue\r\n"
        for path, more in (("/api/v1/events", ""), ("/api/v1/jobs/waiting?wait=60", expect)):
            connection = socket.create_connection(("127.0.0.1", port), timeout=30)
            connection.sendall(
                f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
                f"If-None-Match: {etag}\r\n{more}\r\n".encode()
            )
            held.append(connection)
        assert b"text/event-stream" in held[0].recv(65536)
        assert held[1].recv(65536).startswith(b"HTTP/1.1 100")  # said by who waits for the client to go
        started = time.monotonic()
        server.send_signal(stop)
        assert server.wait(30) == 0
        assert time.monotonic() - started < 6
        rest = held[0].recv(65536)
        while more := held[0].recv(65536):
            rest += more
        assert rest.endswith(b"0\r\n\r\n"), "the stream did not end in order"
        assert held[1].recv(65536).startswith(b"HTTP/1.1 304")
    finally:
        server.kill()
        for connection in held:
            connection.close()


def test_a_taken_port_is_said_in_one_line(environment):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = manage(
            environment, "web", "--port", str(port), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        output, errors = server.communicate(timeout=60)
    assert server.returncode == 1
    assert errors.strip() == f"web: port {port} on 127.0.0.1 is taken by another program. Set PORT to a free one."
    assert output == ""
