"""The raw connection reaches a Redis by TLS with an authority of its own, also beside patched ones."""

import os
import socket
import ssl
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from jobs.worker.rawredis import RawRedis


def certificate(path):
    """One that is its own authority, with its key, for 127.0.0.1."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Redis of a test")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding = serialization.Encoding.PEM
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(made.public_bytes(encoding) + private)


def pump(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    finally:
        target.close()


def serve(listener, context):
    while True:
        try:
            client = listener.accept()[0]
        except OSError:
            return
        try:
            client = context.wrap_socket(client, server_side=True)
        except OSError:  # who does not trust us
            continue
        parts = urlsplit(os.environ["REDIS_URL"])
        server = socket.create_connection((parts.hostname, parts.port))
        for pair in ((client, server), (server, client)):
            threading.Thread(target=pump, args=pair, daemon=True).start()


@pytest.fixture
def tls(tmp_path):
    """(port, file of the authority) of a TLS door before the tests' Redis."""
    path = tmp_path / "authority.pem"
    certificate(path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener, context), daemon=True).start()
        yield listener.getsockname()[1], path
        listener.shutdown(socket.SHUT_RDWR)


LARGE = "x" * 300_000
SAY = f"""
from jobs.worker.rawredis import RawRedis
import sys
print(len(RawRedis(sys.argv[1]).call("ECHO", "x" * {len(LARGE)})))
"""


def test_an_authority_of_ones_own(tls):
    port, path = tls
    raw = RawRedis(f"rediss://127.0.0.1:{port}/1?ssl_ca_certs={path}")
    assert raw.call("ECHO", LARGE) == LARGE
    raw.close()


@pytest.mark.parametrize("patch", ["eventlet.monkey_patch()", "gevent.monkey.patch_all()"])
def test_beside_patched_sockets(tls, patch):
    port, path = tls
    code = f"import {patch.rpartition('.')[0]}; {patch}\n{SAY}"
    url = f"rediss://127.0.0.1:{port}?ssl_ca_certs={path}"
    done = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip() == str(len(LARGE)), done.stderr


def test_who_is_not_known_is_not_trusted_unless_told_so(tls):
    port, _ = tls
    with pytest.raises(ssl.SSLCertVerificationError):
        RawRedis(f"rediss://127.0.0.1:{port}").call("PING")
    assert RawRedis(f"rediss://127.0.0.1:{port}?ssl_cert_reqs=none").call("PING") == "PONG"
