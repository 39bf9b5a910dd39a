"""What one client may hold of a web process, with real sockets."""

import resource
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from jobs.supervisor import openfiles
from jobs.web.live import connections
from tests.services import free_port
from tests.unit.edge_serving import serving, until
from tests.unit.test_edge_command import ROOT, environment, healthy

__all__ = ["environment"]  # a fixture
#: What a test waits for the end of what takes HEAD_SECONDS and the like.
SHORT = 0.3


def answering(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def talk(port: int, sent: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    connection.sendall(sent)
    return connection


def rest_of(connection: socket.socket) -> bytes:
    """All that still comes until the server closes."""
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


@pytest.mark.parametrize("workers", ["1", "2"])
def test_more_idle_connections_than_files_leave_the_site_up(environment, workers):
    port = free_port()
    # Not to be raised: the hard limit is as low.
    command = f'ulimit -n 512; exec "$0" manage.py web --port {port} --workers {workers}'
    server = subprocess.Popen(["sh", "-c", command, sys.executable], cwd=ROOT, env=environment)
    with ExitStack() as held:
        held.callback(lambda: (server.terminate(), server.wait(30)))
        until(lambda: healthy(port), 60)
        for number in range(520 * int(workers)):
            held.enter_context(talk(port, b"GET / HTTP/1.1\r\nHost: x\r\n" if number % 2 else b""))
        for _ in range(20):
            assert httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5).status_code == 200


def test_the_limit_of_files_is_raised_to_what_the_system_allows(environment):
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard <= 512:
        pytest.skip("this machine allows no more than 512 files")
    port = free_port()
    command = f'ulimit -Sn 512; exec "$0" manage.py web --port {port} --workers 1'
    server = subprocess.Popen(["sh", "-c", command, sys.executable], cwd=ROOT, env=environment)
    try:
        until(lambda: healthy(port), 60)
        limits = (line.split() for line in Path(f"/proc/{server.pid}/limits").read_text().splitlines())
        [(soft, allowed)] = [line[3:5] for line in limits if line[:3] == ["Max", "open", "files"]]
        assert int(soft) == min(int(allowed), openfiles.ENOUGH)
    finally:
        server.terminate()
        server.wait(30)


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"GET / HT", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"])
def test_a_head_that_does_not_come_whole_ends_the_connection(monkeypatch, sent):
    monkeypatch.setattr(connections, "HEAD_SECONDS", SHORT)
    with serving(answering) as served, talk(served.port, sent) as connection:
        answer = rest_of(connection)
    assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n") and b"head of the request" in answer


def test_neither_does_a_further_one_on_the_same_connection(monkeypatch):
    monkeypatch.setattr(connections, "HEAD_SECONDS", SHORT)
    whole = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with serving(answering) as served:
        with talk(served.port, whole) as connection:
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            # Idle between two requests it stays, for as long as uvicorn keeps it.
            time.sleep(SHORT + 1.5)
            connection.sendall(whole)
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            connection.sendall(b"GET /")
            assert rest_of(connection).startswith(b"HTTP/1.1 408")
        with talk(served.port, whole + b"GET /") as together:
            answer = rest_of(together)
    assert answer.startswith(b"HTTP/1.1 200") and b"HTTP/1.1 408" in answer


def test_a_body_that_stops_ends_the_connection_and_one_that_comes_with_pace_does_not(monkeypatch):
    monkeypatch.setattr(connections, "BODY_SECONDS", 1.0)
    head = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\n"
    with serving(answering) as served, talk(served.port, head) as stops, talk(served.port, head) as comes:
        stops.sendall(b"x" * 10)
        for _ in range(10):  # 3.3 s, but 100,000 bytes may take 24
            comes.sendall(b"x" * 10_000)
            time.sleep(0.33)
        assert comes.recv(65536).startswith(b"HTTP/1.1 200")
        answer = rest_of(stops)
    assert answer.startswith(b"HTTP/1.1 408") and b"body of the request" in answer


def test_a_body_whose_request_was_answered_before_it_came_ends_without_another_answer(monkeypatch):
    monkeypatch.setattr(connections, "BODY_SECONDS", SHORT)
    head = b"DELETE /api/v1/jobs/a HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\nx"
    with serving(answering) as served, talk(served.port, head) as connection:
        answer = rest_of(connection)
    assert answer.startswith(b"HTTP/1.1 401") and answer.count(b"HTTP/1.1 ") == 1


def test_a_head_without_end_is_refused():
    with serving(answering) as served, talk(served.port, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n") as connection:
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for _ in range(10_000):
                connection.sendall(b"X-More: " + b"x" * 8_000 + b"\r\n")
        with served.client() as client:
            assert client.get("/", headers={"X-More": "x" * 60_000}).status_code == 200


def test_a_client_that_takes_nothing_of_its_answer_is_given_up(monkeypatch):
    monkeypatch.setattr(connections, "STALLED_SECONDS", SHORT)

    def long(environ, start_response):
        start_response("200 OK", [("Content-Length", str(50_000_000))])
        return [b"x" * 50_000_000]

    with serving(long) as served, talk(served.port, b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n") as connection:
        assert connection.recv(1000)
        held = list(connections._held.values())[-1]
        until(lambda: not held.all)
        assert len(rest_of(connection)) < 50_000_000


def test_an_answer_that_is_still_being_taken_is_not_cut_off_for_a_new_connection(settings):
    settings.CONNECTIONS_PER_ADDRESS = 8

    def long(environ, start_response):
        start_response("200 OK", [("Content-Length", str(20_000_000))])
        return [b"x" * 20_000_000]

    ask = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    with serving(long) as served, ExitStack() as held:
        downloads = [held.enter_context(talk(served.port, ask)) for _ in range(8)]
        begun = [download.recv(1) for download in downloads]
        assert begun == [b"H"] * 8
        assert rest_of(held.enter_context(talk(served.port))).startswith(b"HTTP/1.1 503")
        assert all(len(rest_of(download)) > 20_000_000 for download in downloads)


def test_one_address_holds_no_more_than_its_share_unless_it_is_a_trusted_proxy(settings):
    settings.CONNECTIONS_PER_ADDRESS = 8
    busy = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5\r\n\r\n1"
    with serving(answering) as served, ExitStack() as held:
        uploads = [held.enter_context(talk(served.port, busy)) for _ in range(8)]
        until(lambda: any(len(each.all) == 8 for each in list(connections._held.values())))
        refused = rest_of(held.enter_context(talk(served.port)))
        assert refused.startswith(b"HTTP/1.1 503 Service Unavailable\r\n") and b"retry-after: 5" in refused
        for upload in uploads:
            upload.sendall(b"2345")
            assert upload.recv(65536).endswith(b"12345")
        # Now they are idle, and the one that is so for longest gives way.
        with served.client() as client:
            assert client.get("/healthz").status_code == 200
        assert rest_of(uploads[0]) == b""
        connections.bounded_address.cache_clear()
    settings.TRUSTED_PROXIES = ["127.0.0.0/8"]
    connections._trusted.cache_clear()
    try:
        with serving(answering) as served, ExitStack() as held:
            for _ in range(20):
                held.enter_context(talk(served.port, busy))
            with served.client() as client:
                assert client.get("/healthz").status_code == 200
    finally:
        settings.TRUSTED_PROXIES = []
        connections._trusted.cache_clear()
        connections.bounded_address.cache_clear()


@pytest.mark.parametrize(
    ("client", "address"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("a-socket-file", ""),
    ],
)
def test_whom_a_connection_counts_for(client, address):
    assert connections.bounded_address(client) == address
