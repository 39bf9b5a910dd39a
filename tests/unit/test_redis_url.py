"""Every form of a Redis' URL is understood alike by each connection, or refused with one line."""

import re
import ssl

import pytest
from celery import Celery
from celery.backends.redis import RedisBackend
from kombu import Connection
from redis import ConnectionPool
from redis.asyncio import ConnectionPool as AsyncPool

from jobs.wire import redis_url

CA = __file__  # any file that can be read
#: URL: host, port or path; database, user, password, cert_reqs (None: no TLS), whether the host's name is checked
FORMS = [
    ("redis://h", "h", 6379, 0, None, None, None, None),
    ("redis://:p%40%2Fs@h:7/3", "h", 7, 3, None, "p@/s", None, None),
    ("redis://u%3A:p@[::1]:7?db=2", "::1", 7, 2, "u:", "p", None, None),
    ("rediss://u:p@h:7/1", "h", 7, 1, "u", "p", "required", True),
    ("rediss://h?ssl_cert_reqs=CERT_REQUIRED", "h", 6379, 0, None, None, "required", True),
    ("rediss://h?ssl_cert_reqs=none", "h", 6379, 0, None, None, "none", False),
    ("rediss://h?ssl_cert_reqs=CERT_OPTIONAL", "h", 6379, 0, None, None, "optional", True),
    (f"rediss://h/2?ssl_ca_certs={CA}", "h", 6379, 2, None, None, "required", True),
    (f"rediss://h?ssl_ca_certs={CA}&ssl_check_hostname=false", "h", 6379, 0, None, None, "required", False),
    ("unix:///run/r.sock?db=3", "/run/r.sock", None, 3, None, None, None, None),
    ("redis+socket:///run/r.sock?virtual_host=3", "/run/r.sock", None, 3, None, None, None, None),
    ("unix://:p%40@/run/r.sock", "/run/r.sock", None, 0, None, "p@", None, None),
]  # fmt: skip


def of_broker(url):
    with Connection(redis_url.for_broker(url)) as connection:
        channel = object.__new__(connection.transport.Channel)
        channel.connection = connection.transport
        return channel._connparams()


def of_results(url):
    app = Celery(set_as_current=False)
    return RedisBackend(app=app, url=redis_url.for_results(url)).connparams


def of_pool(kind):
    def read(url):
        pool = kind.from_url(redis_url.for_redis_py(url))
        return {**pool.connection_kwargs, "connection_class": pool.connection_class}

    return read


CONNECTIONS = {
    "redis-py": of_pool(ConnectionPool),
    "asyncio": of_pool(AsyncPool),
    "broker": of_broker,
    "results": of_results,
}


@pytest.mark.parametrize("connection", CONNECTIONS)
@pytest.mark.parametrize("form", FORMS, ids=[form[0] for form in FORMS])
def test_each_connection_goes_to_the_same_redis(form, connection):
    url, place, port, database, user, password, cert_reqs, checks = form
    found = CONNECTIONS[connection](url)
    kind = found.get("connection_class")
    assert (found.get("path") or found.get("host")) == place
    assert found.get("port", 6379) == (port or 6379)
    assert int(found.get("db") or 0) == database
    assert (found.get("username") or None, found.get("password") or None) == (user, password)
    assert ("SSL" in kind.__name__ if kind else False) == (cert_reqs is not None), kind
    assert ("Unix" in kind.__name__ if kind else False) == (port is None)
    if cert_reqs:
        name = getattr(found["ssl_cert_reqs"], "name", found["ssl_cert_reqs"]).lower().removeprefix("cert_")
        assert name == cert_reqs
        assert found.get("ssl_check_hostname", True) is checks
        assert found.get("ssl_ca_certs") == (CA if CA in url else None)


@pytest.mark.parametrize("form", FORMS, ids=[form[0] for form in FORMS])
def test_a_form_that_was_made_is_read_alike(form):
    found = redis_url.parse(form[0])
    for made in (redis_url.for_redis_py, redis_url.for_broker, redis_url.for_results):
        assert redis_url.parse(made(form[0])) == found


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sentinel://secret@h:26379/0", "sentinel is not supported"),
        ("amqp://u:secret@h//", "amqp is not supported"),
        ("redis://:secret@h/first", "the database must be a number"),
        ("redis://:secret@h?db=-1", "the database must be a number"),
        ("redis://h?ssl_ca_certs=/x", "write rediss://"),
        ("redis://h?tiemout=3", "tiemout after the ? is not supported"),
        ("rediss://h?ssl_cert_reqs=maybe", "ssl_cert_reqs must be one of"),
        ("rediss://h?ssl_ca_certs=/nowhere.pem", "ssl_ca_certs: /nowhere.pem cannot be read"),
        ("unix://run/r.sock", "three slashes"),
        ("redis:///0", "no host in it"),
        ("redis://:sec#ret@h", "%23"),
    ],
)
def test_what_cannot_be_used_is_refused(url, why):
    with pytest.raises(ValueError) as refusal:
        redis_url.parse(url)
    assert why in str(refusal.value)
    assert "secret" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.fixture
def authority(tmp_path):
    path = tmp_path / "ca.pem"
    path.write_text("a certificate")
    return str(path)


@pytest.mark.parametrize(("url", "options", "expected"), [
    ("redis://h/1", {}, {"tls": False}),
    ("redis://h/1", {"ssl_cert_reqs": ssl.CERT_REQUIRED}, {"cert_reqs": "required", "check_hostname": True}),
    ("redis://h/1", {"ssl_cert_reqs": None}, {"cert_reqs": "required"}),
    ("redis://:pw@h:6380/1", {"ssl_cert_reqs": "none"}, {"cert_reqs": "none", "password": "pw", "port": 6380}),
    ("rediss://h/1?ssl_cert_reqs=none", {"ssl_cert_reqs": ssl.CERT_OPTIONAL}, {"cert_reqs": "optional"}),
    ("rediss://h/1", True, {"cert_reqs": "required"}),
    ("redis://h/1", {"ssl_ca_certs": "CA", "ssl_check_hostname": False}, {"check_hostname": False}),
])  # fmt: skip
def test_celerys_own_setting_for_tls_is_read(url, options, expected, authority):
    if isinstance(options, dict) and "ssl_ca_certs" in options:
        options = {**options, "ssl_ca_certs": authority}
        expected = {**expected, "files": {"ssl_ca_certs": authority}}
    found = redis_url.parse(redis_url.with_ssl(url, options))
    expected = {"tls": True, "database": 1, **expected}
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(("url", "options", "why"), [
    ("redis://h/1", True, "is no dict"),
    ("unix:///run/redis.sock", {"ssl_cert_reqs": "none"}, "goes with redis:// or rediss:// alone"),
    ("redis://h/1", {"keyfile": "/k"}, "keyfile after the ? is not supported"),
    ("redis://h/1", {"ssl_cert_reqs": "perhaps"}, "ssl_cert_reqs must be one of"),
])  # fmt: skip
def test_what_of_it_cannot_be_followed_is_refused(url, options, why):
    with pytest.raises(ValueError, match=re.escape(why)):
        redis_url.parse(redis_url.with_ssl(url, options))
