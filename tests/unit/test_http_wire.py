"""What servers of the world send between and beside answers, over real sockets."""

import socket
import threading
import time

import pytest

from jobs.core.hosts import in_ascii
from jobs.kinds._email.addresses import bare, parse
from jobs.kinds._net import urls
from jobs.kinds._net.client import Client, Refused, Request


class Server:
    """Answers each request on a connection with what `answer` makes of its path: parts of bytes, or pauses [s]."""

    def __init__(self, answer):
        self.answer, self.connections = answer, 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection):
        with connection, connection.makefile("rb") as lines:
            while request := lines.readline():
                while lines.readline() not in (b"\r\n", b""):
                    pass
                for part in self.answer(request.split()[1].decode()):
                    if isinstance(part, float):
                        time.sleep(part)
                    else:
                        connection.sendall(part)

    def close(self):
        self._listening.close()


@pytest.fixture
def serving(settings):
    settings.ALLOW_PRIVATE_URLS = True
    servers = []

    def serve(answer):
        servers.append(Server(answer))
        return servers[-1]

    yield serve
    for server in servers:
        server.close()


def whole(body, *headers, status="200 OK"):
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"


@pytest.mark.parametrize(
    "before", [[EARLY, 0.4], [EARLY], [PROCESSING, EARLY, 0.1, EARLY], [b"HTTP/1.1 100 Continue\r\n\r\n"]]
)
def test_what_comes_before_an_answer_is_not_taken_for_it(serving, before):
    server = serving(lambda path: [*before, whole(path.encode())])
    client = Client(1)
    answers = [client.fetch(Request(f"{server.url}/{name}")) for name in "abcd"]
    assert [(answer.status, answer.body) for answer in answers] == [(200, f"/{name}".encode()) for name in "abcd"]
    assert server.connections == 1


def test_a_server_that_never_comes_to_its_answer_is_refused(serving):
    server = serving(lambda path: [EARLY * 100])
    with pytest.raises(Refused, match="more than 20 answers"):
        Client(1).fetch(Request(server.url + "/"))


@pytest.mark.parametrize("surplus", [whole(b"of nobody"), b"noise"])
def test_what_nobody_asked_for_is_no_answer_to_the_next_request(serving, surplus):
    server = serving(lambda path: [whole(path.encode()), 0.1, surplus] if path == "/a" else [whole(path.encode())])
    client = Client(1)
    assert client.fetch(Request(f"{server.url}/a")).body == b"/a"
    time.sleep(0.4)  # it has come by then
    assert client.fetch(Request(f"{server.url}/b")).body == b"/b"
    assert server.connections == 2


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br"])
def test_a_body_packed_as_nobody_asked_is_refused(serving, coding):
    server = serving(lambda path: [whole(b"\x0b\x02\x80", f"Content-Encoding: {coding}")])
    with pytest.raises(Refused, match=f"packed as {coding}, which was not asked for"):
        Client(1).fetch(Request(server.url + "/"))


@pytest.mark.parametrize("location", ["/grüße".encode(), "/grüße".encode("latin-1"), b"/gr%C3%BC%C3%9Fe"])
def test_where_a_redirect_leads_is_read_as_it_is_written(serving, location):
    moved = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + location + b"\r\n\r\n"
    server = serving(lambda path: [moved if path == "/" else whole(path.encode())])
    assert Client(1).fetch(Request(server.url + "/")).body == b"/gr%C3%BC%C3%9Fe"


@pytest.mark.parametrize(("name", "expected"), [
    ("straße.example", "xn--strae-oqa.example"),
    ("faß.example", "xn--fa-hia.example"),
    ("FAß.Example", "xn--fa-hia.example"),
    ("bücher.example", "xn--bcher-kva.example"),
    ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
    ("my_host.example", "my_host.example"),
])  # fmt: skip
def test_a_domain_is_the_one_that_its_letters_name(name, expected):
    assert in_ascii(name) == expected
    assert urls.normal(f"http://{name}/") == f"http://{expected.lower()}/"


@pytest.mark.parametrize("name", ["-ü.example", "ü" * 70 + ".example", "ü..example"])
def test_a_domain_that_is_none_is_refused(name):
    with pytest.raises(ValueError, match="host name that is none"):
        urls.normal(f"http://{name}/")
    with pytest.raises(ValueError, match="is not an address"):
        parse(f"nina@{name}")


def test_mail_goes_to_that_domain_and_the_suppression_list_holds_it():
    assert parse("Nina <nina@straße.example>").address == "nina@xn--strae-oqa.example"
    assert bare("Nina@Straße.example") == ["nina@xn--strae-oqa.example"]
