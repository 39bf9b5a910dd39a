import io
import socket
import threading
import time
import zipfile

import httpx
import pytest
from django.core.files.base import ContentFile
from django.core.signals import request_finished
from django.test import Client

from jobs.models import Artifact, Job
from jobs.web.live import bridge
from jobs.web.live.bridge import Bridge
from tests.unit.edge_serving import person, serving, until

SIZE = 3 * 1024 * 1024


def echo(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("X-Length", environ["CONTENT_LENGTH"]), ("X-Path", environ["PATH_INFO"])])
    return [body]


def cookie_of(user):
    browser = Client()
    browser.force_login(user)
    return f"sessionid={browser.cookies['sessionid'].value}"


def test_a_body_arrives_whole_with_its_length_however_it_is_sent(transactional_db):
    sent = bytes(range(256)) * (SIZE // 256)
    _, token = person("alice")
    with serving(echo) as served, served.client(token) as client:
        known = client.post("/a", content=sent)
        chunked = client.post("/a", content=(sent[start : start + 100_000] for start in range(0, SIZE, 100_000)))
        empty = client.post("/a")
    assert known.content == chunked.content == sent
    assert known.headers["x-length"] == chunked.headers["x-length"] == str(SIZE)
    assert empty.headers["x-length"] == "0"


def test_paths_are_native_strings_and_look_alike_headers_are_dropped():
    seen = {}

    def look(environ, start_response):
        seen.update(environ)
        start_response("200 OK", [])
        return [b""]

    with serving(look) as served, served.client(**{"X-A": "one", "X_A": "two"}) as client:
        client.get("/%C3%BC/a%20b?q=%C3%BC")
    assert seen["PATH_INFO"].encode("latin-1").decode() == "/ü/a b"
    assert seen["QUERY_STRING"] == "q=%C3%BC"
    assert seen["HTTP_X_A"] == "one"


def test_too_large_a_body_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(Bridge.__init__, "__defaults__", (8, 1000))
    with serving(echo) as served:
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
            connection.sendall(
                b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000000000\r\n\r\nthe first bytes"
            )
            answer = connection.recv(65536)
            while b"</html>" not in answer:
                answer += connection.recv(65536)
        with served.client() as client:
            counted = client.post("/", content=(b"x" * 100 for _ in range(11)))
            fits = client.post("/", content=b"x" * 1000)
    assert answer.startswith(b"HTTP/1.1 413") and b"text/html" in answer
    assert b"at most 1000 B are taken" in answer
    assert counted.status_code == 413
    assert fits.status_code == 200


def test_slow_uploads_hold_no_thread():
    with serving(echo, threads=2) as served:
        slow = []
        for _ in range(10):
            connection = socket.create_connection(("127.0.0.1", served.port), timeout=10)
            connection.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n12345")
            slow.append(connection)
        with served.client() as client:
            assert client.post("/", content=b"quick").content == b"quick"
        for connection in slow:
            connection.sendall(b"67890")
        answers = [connection.recv(65536) for connection in slow]
        for connection in slow:
            connection.close()
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers)


def test_an_upload_that_breaks_off_never_reaches_the_application():
    calls = []

    def remember(environ, start_response):
        calls.append(environ["PATH_INFO"])
        return echo(environ, start_response)

    with serving(remember) as served:
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
            connection.sendall(b"POST /broken HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\n12345")
        with served.client() as client:
            client.get("/whole")
    assert calls == ["/whole"]


def test_slow_downloads_of_files_hold_no_thread(tmp_path):
    path = tmp_path / "large"
    path.write_bytes(b"0123456789" * 2_000_000)
    closed = []

    class File:
        def __init__(self):
            self._file = path.open("rb")
            self.read = self._file.read

        def close(self):
            self._file.close()
            closed.append(True)

    def send(environ, start_response):
        if environ["PATH_INFO"] == "/small":
            start_response("200 OK", [])
            return [b"small"]
        start_response("200 OK", [("Content-Length", str(path.stat().st_size))])
        return environ["wsgi.file_wrapper"](File())

    with serving(send, threads=2) as served:
        slow = []
        for _ in range(6):
            connection = socket.create_connection(("127.0.0.1", served.port), timeout=10)
            connection.sendall(b"GET /large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
            slow.append(connection)
        with served.client() as client:
            assert client.get("/small").content == b"small"
            assert client.get("/large").content == path.read_bytes()
            assert client.head("/large").headers["content-length"] == str(path.stat().st_size)
        for connection in slow:
            connection.close()
        until(lambda: len(closed) == 8)


def ask_and_read_no_more(served, count, path, cookie=""):
    """Connections that have taken the first bytes of an answer."""
    slow = []
    for _ in range(count):
        connection = socket.create_connection(("127.0.0.1", served.port), timeout=10)
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n".encode())
        slow.append(connection)
        assert connection.recv(12) == b"HTTP/1.1 200"
    return slow


def test_slow_downloads_of_zips_hold_no_thread(transactional_db, storage):
    user, _ = person("alice")
    job = Job.objects.create(kind="email", title="Photos", owner=user, queue="io", state="SUCCESS")
    content = b"0123456789" * 2_000_000
    path = Artifact.storage().save("large", ContentFile(content))
    Artifact.objects.create(job=job, owner=user, name="large.txt", size=len(content), path=path, attempt=1)
    cookie, address, ended = cookie_of(user), f"/jobs/{job.id}/outputs.zip", []
    request_finished.connect(note := lambda **_: ended.append(threading.current_thread().name))
    with serving(threads=2) as served, served.client(Cookie=cookie) as client:
        slow = ask_and_read_no_more(served, 9, address, cookie)
        assert client.get("/jobs").status_code == 200
        with zipfile.ZipFile(io.BytesIO(client.get(address).content)) as archive:
            assert archive.read("large.txt") == content
        until(lambda: len([name for name in ended if "maker" in name]) == 1)
        for connection in slow:
            connection.close()
        until(lambda: len([name for name in ended if "maker" in name]) == 10)
    assert request_finished.disconnect(note)


def test_a_made_up_answer_is_made_and_ended_in_one_thread_whose_connections_are_its_own():
    threads = []

    class Answer:
        streaming = True

        def __iter__(self):
            for number in range(50):
                threads.append(threading.current_thread())
                yield b"%d " % number

        def close(self):
            threads.append(threading.current_thread())

    def produce(environ, start_response):
        start_response("200 OK", [])
        return Answer()

    with serving(produce) as served, served.client() as client:
        assert client.get("/").text.split() == [str(number) for number in range(50)]
        until(lambda: len(threads) == 51)
        assert len(set(threads)) == 1


def test_of_answers_that_are_made_at_once_one_that_hangs_holds_up_no_other():
    hangs = threading.Event()

    def produce(environ, start_response):
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/hangs":
            yield b"so far"
            hangs.wait(10)
        yield b"done"

    with serving(produce) as served, served.client() as client, client.stream("GET", "/hangs") as stuck:
        for _ in range(8):
            assert client.get("/").text == "done"
        hangs.set()
        assert stuck.read() == b"so fardone"


def test_a_made_up_answer_that_fails_on_the_way_is_cut_off_and_closed(caplog):
    closed = threading.Event()

    def produce(environ, start_response):
        start_response("200 OK", [])
        try:
            yield b"so far "
            if environ["PATH_INFO"] == "/broken":
                raise RuntimeError("broken")
            yield b"so good"
        finally:
            closed.set()

    with serving(produce) as served, served.client() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/broken")
        assert closed.wait(10)
        assert client.get("/whole").text == "so far so good"


def test_a_made_up_answer_waits_for_its_reader_and_stops_when_the_reader_goes():
    made, closed = [], threading.Event()

    def produce(environ, start_response):
        start_response("200 OK", [])

        def chunks():
            try:
                while True:
                    made.append(1)
                    yield b"x" * 65536
            finally:
                closed.set()

        return chunks()

    with serving(produce) as served:
        with socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            connection.recv(1000)
            before = -1
            while before != len(made):
                before = len(made)
                time.sleep(0.3)
            assert before < 1000, "it was made faster than it was read"
        assert closed.wait(10)


def test_a_reader_that_takes_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(bridge, "_STALLED", 0.3)
    closed = threading.Event()

    def produce(environ, start_response):
        start_response("200 OK", [])
        try:
            while True:
                yield b"x" * 65536
        finally:
            closed.set()

    with (
        serving(produce) as served,
        socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection,
    ):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert closed.wait(10)


def test_pages_of_django_are_served_with_its_headers(transactional_db):
    with serving() as served, served.client() as client:
        answer = client.get("/login/", follow_redirects=True)
    assert "text/html" in answer.headers["content-type"]
    assert "content-security-policy" in answer.headers


def test_a_body_for_the_api_is_taken_of_nobody_unknown():
    with serving(echo) as served, socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
        connection.sendall(
            b"POST /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            b"Content-Length: 1000000000\r\n\r\n"
        )
        assert connection.recv(65536).startswith(b"HTTP/1.1 401")


FORM = b"Content-Type: multipart/form-data; boundary=x\r\n"
HUGE = b"Content-Length: 1000000000\r\n"


@pytest.mark.parametrize("line", [b"POST /login", b"POST /new/email", b"PUT /nothing/here", b"GET /api/v1/docs"])
def test_files_are_taken_of_nobody_unknown_at_any_address(line):
    with serving(echo) as served, socket.create_connection(("127.0.0.1", served.port), timeout=10) as connection:
        connection.sendall(line + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n" + FORM + HUGE + b"\r\nthe first bytes")
        answer = connection.recv(65536)
        while not answer.rstrip().endswith((b"}", b"</html>")):
            answer += connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"at most 1.0 MB are taken of somebody who is not logged in" in answer


@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded"])
def test_what_somebody_unknown_sends_never_goes_to_disk(kind, monkeypatch):
    rolled = []
    monkeypatch.setattr(bridge.SpooledTemporaryFile, "rollover", lambda self: rolled.append(self))
    with serving(echo) as served, served.client(**{"Content-Type": kind}) as client:
        fits = client.post("/login", content=(b"x" * 65536 for _ in range(16)))
        longer = client.post("/login", content=(b"x" * 65536 for _ in range(17)))
    assert (fits.status_code, len(fits.content)) == (200, 1024 * 1024)
    assert longer.status_code == 413
    assert not rolled


def test_files_are_taken_of_those_who_are_logged_in(transactional_db):
    user, token = person("alice")
    with serving(echo) as served, served.client(Cookie=cookie_of(user)) as page, served.client(token) as program:
        for client in (page, program):
            answer = client.post("/new/image", files={"images": b"x" * SIZE})
            assert answer.status_code == 200 and len(answer.content) > SIZE


def test_somebody_unknown_can_log_in(transactional_db):
    person("alice")
    with serving() as served, served.client() as client:
        client.get("/login")
        fields = {"username": "alice", "password": "a long secret", "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        answer = client.post("/login", data=fields)
    assert answer.status_code == 302 and client.cookies["sessionid"]
