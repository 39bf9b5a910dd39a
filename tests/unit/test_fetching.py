"""Where the kinds that fetch may go, and what they do with servers that misbehave."""

import gzip
import ipaddress
import socket
import ssl
import time
import zlib

import pytest

from jobs.kinds._net import addresses, connection, urls
from jobs.kinds._net.client import Client, FetchError, Refused, Request, TimedOut, Unreachable
from tests.services import closed_port
from tests.unit.web_server import WebServer


@pytest.fixture
def server():
    server = WebServer()
    yield server
    server.stop()


@pytest.fixture
def client():
    client = Client(10)
    yield client
    client.close()


@pytest.fixture
def private(settings):
    settings.ALLOW_PRIVATE_URLS = True


# --- URLs


@pytest.mark.parametrize(
    ("raw", "url"),
    [
        ("HTTP://Example.ORG", "http://example.org/"),
        ("https://example.org:8443/a b?q=ü#part".replace(" ", "%20"), "https://example.org:8443/a%20b?q=%C3%BC"),
        ("http://münchen.example/straße", "http://xn--mnchen-3ya.example/stra%C3%9Fe"),
        ("http://[2001:DB8::1]/x", "http://[2001:db8::1]/x"),
    ],
)
def test_urls_are_made_fit_for_a_request(raw, url):
    assert urls.normal(raw) == url


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("example.org/feed", "does not start with http"),
        ("ftp://example.org/", "does not start with http"),
        ("file:///etc/passwd", "does not start with http"),
        ("http://", "names no host"),
        ("http://user:word@example.org/", "holds a user name"),
        ("http://example.org/a b", "holds a space"),
        ("http://example.org/\r\nX: y", "holds a space or control"),
        ("http://example.org:99999/", "cannot be read"),
        ("http://exa_mple..org/", "host name that is none"),
        ("http://[::1/", "cannot be read"),
        ("http://example.org/" + "x" * 5000, "is longer than"),
    ],
)
def test_other_urls_are_refused_with_the_reason(raw, reason):
    with pytest.raises(ValueError, match=reason):
        urls.normal(raw)


# --- private networks


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::", "::1", "fe80::1", "fc00::1",
        "fec0::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1",
        "64:ff9b::a00:1", "2001:db8::1",
    ],
)  # fmt: skip
def test_private_addresses(address):
    assert not addresses.is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_public_addresses(address):
    assert addresses.is_public(ipaddress.ip_address(address))


def test_this_machine_is_refused_by_address_and_by_name(server, client):
    for host in ("127.0.0.1", "localhost", "0.0.0.0", "2130706433", "127.1"):
        with pytest.raises(Refused, match="private address"):
            client.fetch(Request(f"http://{host}:{server.port}/"))
    assert server.connections == 0


def names(monkeypatch, table):
    """Let names resolve as in a table of lists: each lookup takes the next answer, the last one stays."""
    real = socket.getaddrinfo

    def look_up(host, port, *args, **kwargs):
        answers = table.get(host)
        if answers is None:
            return real(host, port, *args, **kwargs)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in answer]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def test_a_name_that_leads_inside_is_refused(monkeypatch, server, client):
    names(monkeypatch, {"inside.example": [["10.0.0.7"]], "here.example": [["127.0.0.1"]]})
    for host in ("inside.example", "here.example"):
        with pytest.raises(Refused, match=rf"{host} is .*, a private address.*ALLOW_PRIVATE_URLS"):
            client.fetch(Request(f"http://{host}:{server.port}/"))
    assert server.connections == 0


def test_a_name_that_changes_its_address_leads_nowhere_else(monkeypatch, server):
    """The second answer, to whoever asked again between check and use, would be this machine."""
    names(monkeypatch, {"rebinding.example": [["1.1.1.1"], ["127.0.0.1"]]})
    gone = []
    monkeypatch.setattr(socket.socket, "connect", lambda self, address: gone.append(address[0]) or refuse())
    with pytest.raises(OSError, match="not out of here"):
        addresses.connect("rebinding.example", server.port, time.monotonic() + 5, addresses.Resolver())
    assert gone == ["1.1.1.1"]


def refuse():
    raise OSError("not out of here")


def test_of_a_names_addresses_only_public_ones_are_used(monkeypatch):
    names(monkeypatch, {"both.example": [["127.0.0.1", "1.1.1.1"]]})
    found = addresses.Resolver().addresses("both.example", 80)
    assert [entry[4][0] for entry in found] == ["1.1.1.1"]


def test_a_redirect_to_this_machine_is_refused(monkeypatch, server, client):
    """The first host is believed public; where it redirects to is checked like any other."""
    names(monkeypatch, {"outside.example": [["127.0.0.1"]]})
    monkeypatch.setattr(addresses, "is_public", lambda address: not inside[0])
    inside = [False]
    server.route("/", 302, Location=f"http://127.0.0.1:{server.port}/secret")
    server.route("/secret", 200, b"secret")
    real = addresses.Resolver.addresses

    def looked_up(self, host, port):
        inside[0] = host != "outside.example"
        return real(self, host, port)

    monkeypatch.setattr(addresses.Resolver, "addresses", looked_up)
    with pytest.raises(Refused, match=r"127\.0\.0\.1 is 127\.0\.0\.1, a private address"):
        client.fetch(Request(f"http://outside.example:{server.port}/"))
    assert len(server.seen["/"]) == 1 and not server.seen["/secret"]


# --- what servers do wrong


@pytest.mark.parametrize("way", ["dribble", "dribble_head", "silence"])
def test_a_slow_answer_ends_with_the_time_allowed(private, server, client, way):
    url = server.serve("/slow", getattr(server, way))
    started = time.monotonic()
    with pytest.raises(TimedOut, match=r"within 0\.5 s"):
        client.fetch(Request(url, timeout=0.5))
    assert 0.4 < time.monotonic() - started < 10


def test_the_time_allowed_covers_all_redirects(private, server, client):
    for number in range(10):
        answer = f"HTTP/1.1 302 Found\r\nLocation: /{number + 1}\r\nContent-Length: 0\r\n\r\n".encode()
        server.serve(f"/{number}", lambda handler, answer=answer: (time.sleep(0.2), handler.wfile.write(answer)))
    with pytest.raises(TimedOut):
        client.fetch(Request(f"{server.url}/0", timeout=0.7, max_redirects=20))


@pytest.mark.parametrize("way", ["bomb", "endless"])
def test_an_answer_that_grows_too_large_is_broken_off(private, server, client, way):
    url = server.serve("/large", getattr(server, way))
    with pytest.raises(Refused, match=r"larger than 1\.0 MB"):
        client.fetch(Request(url, max_size=1024 * 1024))


def test_an_answer_that_says_it_is_too_large_is_not_read(private, server, client):
    url = server.route("/large", 200, bytes(2000))
    with pytest.raises(Refused, match="larger than 1000 B"):
        client.fetch(Request(url, max_size=1000))
    assert client.fetch(Request(url, max_size=2000)).body == bytes(2000)


@pytest.mark.parametrize(
    ("way", "error", "text"),
    [("cut", Unreachable, "broke off"), ("nonsense", Refused, "not HTTP as it should be")],
)
def test_an_unusable_answer_is_told(private, server, client, way, error, text):
    with pytest.raises(error, match=text):
        client.fetch(Request(server.serve("/", getattr(server, way))))


def test_nobody_there(private, client):
    with closed_port() as port, pytest.raises(Unreachable, match="connection refused"):
        client.fetch(Request(f"http://127.0.0.1:{port}/"))


def test_a_name_without_address(client):
    with pytest.raises(Unreachable, match=r"nowhere\.invalid: no address found"):
        client.fetch(Request("http://nowhere.invalid/"))


# --- redirects


def test_redirects_are_followed_to_a_limit(private, server, client):
    server.route("/a", 302, Location="/b?x=1 2")
    server.route("/b?x=1%202", 301, Location=f"{server.url}/c")
    server.route("/c", 200, b"there")
    answer = client.fetch(Request(f"{server.url}/a"))
    assert (answer.body, answer.url, answer.redirects) == (b"there", f"{server.url}/c", 2)
    assert server.connections == 1
    with pytest.raises(Refused, match="more than 1 times"):
        client.fetch(Request(f"{server.url}/a", max_redirects=1))


def test_a_redirect_in_a_circle_ends(private, server, client):
    server.route("/", 302, Location="/")
    with pytest.raises(Refused, match="more than 5 times"):
        client.fetch(Request(f"{server.url}/"))


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://example.org/", "http://[", "gopher://x"])
def test_redirects_lead_to_http_only(private, server, client, location):
    server.route("/", 302, Location=location)
    with pytest.raises(Refused, match="Redirected to a URL that"):
        client.fetch(Request(f"{server.url}/"))


def test_secrets_stay_with_their_origin(private, server, client):
    other = WebServer()
    try:
        server.route("/", 307, Location=f"{other.url}/")
        headers = {"Authorization": "Bearer x", "X-Key": "k", "Accept": "text/plain"}
        client.fetch(Request(f"{server.url}/", headers=headers, secret=frozenset({"x-key"})))
        (_, first, _), (_, second, _) = server.seen["/"][0], other.seen["/"][0]
        assert (first["Authorization"], first["X-Key"]) == ("Bearer x", "k")
        assert "Authorization" not in second and "X-Key" not in second and second["Accept"] == "text/plain"
    finally:
        other.stop()


@pytest.mark.parametrize(("status", "method", "body"), [(303, "GET", b""), (302, "GET", b""), (307, "POST", b"{}")])
def test_what_a_redirected_post_becomes(private, server, client, status, method, body):
    server.route("/", status, Location="/next")
    server.route("/next", 200)
    client.fetch(Request(f"{server.url}/", method="POST", body=b"{}", headers={"Content-Type": "application/json"}))
    seen_method, headers, seen_body = server.seen["/next"][0]
    assert (seen_method, seen_body) == (method, body)
    assert ("Content-Type" in headers) == (method == "POST")


# --- connections and packing


def test_connections_are_used_again_and_a_closed_one_is_replaced(private, server, client):
    url = server.route("/", 200, b"hello")
    for _ in range(5):
        client.fetch(Request(url))
    assert server.connections == 1

    def last_words(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        handler.close_connection = True  # without having said so

    server.serve("/last", last_words)
    client.fetch(Request(f"{server.url}/last"))
    assert client.fetch(Request(url)).body == b"hello"
    assert server.connections == 2


def test_no_more_connections_stay_open_than_asked_for(private):
    servers = [WebServer() for _ in range(4)]
    client = Client(2)
    try:
        for server in servers * 2:
            client.fetch(Request(server.route("/", 200, b"x")))
            assert len(client._kept._idle) <= 2
    finally:
        client.close()
        for server in servers:
            server.stop()


@pytest.mark.parametrize(
    "pack",
    [gzip.compress, lambda data: gzip.compress(data[:10]) + gzip.compress(data[10:])],
    ids=["gzip", "two members"],
)
def test_gzip(private, server, client, pack):
    data = b"The same again and again. " * 1000
    url = server.route("/", 200, pack(data), Content_Encoding="gzip")
    assert client.fetch(Request(url)).body == data


@pytest.mark.parametrize("bits", [zlib.MAX_WBITS, -zlib.MAX_WBITS], ids=["zlib", "raw"])
def test_deflate_as_both_kinds_of_servers_mean_it(private, server, client, bits):
    packer = zlib.compressobj(wbits=bits)
    packed = packer.compress(b"hello " * 100) + packer.flush()
    url = server.route("/", 200, packed, Content_Encoding="deflate")
    assert client.fetch(Request(url)).body == b"hello " * 100


def test_damaged_and_cut_packing_is_told(private, server, client):
    packed = gzip.compress(b"hello " * 1000)
    for wrong in (packed[:-10], b"no gzip at all"):
        url = server.route("/", 200, wrong, Content_Encoding="gzip")
        with pytest.raises(Unreachable, match="broke off"):
            client.fetch(Request(url))


# --- TLS


@pytest.fixture
def tls_server(tmp_path):
    """An HTTPS server whose certificate is signed by itself, for localhost."""
    import datetime as dt

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(dt.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - dt.timedelta(1)).not_valid_after(now + dt.timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    file = tmp_path / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    server = WebServer()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
    server.file = file
    yield server
    server.stop()


def test_a_certificate_that_nobody_vouches_for_is_refused(private, tls_server, client):
    with pytest.raises(Refused, match="localhost: its certificate was not accepted"):
        client.fetch(Request(f"https://localhost:{tls_server.port}/"))
    assert not tls_server.seen


def test_https_with_an_accepted_certificate_and_kept_connection(private, tls_server, client, monkeypatch):
    context = ssl.create_default_context(cafile=str(tls_server.file))
    monkeypatch.setattr(connection, "tls", lambda: context)
    tls_server.route("/", 200, b"private hello")
    for _ in range(3):
        assert client.fetch(Request(f"https://localhost:{tls_server.port}/")).body == b"private hello"
    assert tls_server.connections == 1
    with pytest.raises(Refused, match="not accepted"):
        client.fetch(Request(f"https://127.0.0.1:{tls_server.port}/"))
    tls_server.serve("/slow", tls_server.dribble)
    with pytest.raises(TimedOut):
        client.fetch(Request(f"https://localhost:{tls_server.port}/slow", timeout=0.5))


def test_every_failure_is_a_sentence(private, server, client):
    for way in ("cut", "nonsense", "endless", "bomb"):
        with pytest.raises(FetchError) as told:
            client.fetch(Request(server.serve("/", getattr(server, way)), max_size=100_000))
        assert str(told.value)[0].isupper() or str(told.value).startswith("127.0.0.1:")
        assert str(told.value).endswith(".")
