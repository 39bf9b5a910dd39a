"""The raw connection reaches a Redis by TLS with an authority of its own, also beside patched ones."""

import ssl
import subprocess
import sys

import pytest

from jobs.worker.rawredis import RawRedis
from tests.tls_redis import tls_door


@pytest.fixture
def tls(tmp_path):
    with tls_door(tmp_path) as found:
        yield found


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
