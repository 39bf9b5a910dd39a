"""How the URL of a Redis is read, and the form of it that each of our connections takes.

redis-py and Celery take different forms: `unix://` is `redis+socket://` for Celery's broker and `socket://` for its
results, and with `rediss://` Celery's results want ssl_cert_reqs in the URL, while its broker would verify nothing
without it. Here each of them is read once; what cannot be used is a ValueError whose text shows no password.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

_SOCKETS = ("unix", "redis+socket", "socket")
SCHEMES = ("redis", "rediss", *_SOCKETS)
#: What may be asked for of TLS, beside ssl_cert_reqs and ssl_check_hostname.
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_CERT_REQS = ("required", "optional", "none")
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True)
class RedisURL:
    """A URL that was understood; either `path` is a socket's or `host` and `port` are a server's."""

    host: str = ""
    port: int = 6379
    path: str = ""
    database: int = 0
    username: str = ""
    password: str = ""
    tls: bool = False
    cert_reqs: str = "required"
    check_hostname: bool = True
    files: dict[str, str] = field(default_factory=dict)

    def _login(self) -> str:
        if not (self.username or self.password):
            return ""
        return f"{quote(self.username, safe='')}:{quote(self.password, safe='')}@"

    def _socket(self, scheme: str, database: str) -> str:
        return f"{scheme}://{self._login()}{quote(self.path)}?{database}={self.database}"

    def _server(self, cert_reqs: str) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        url = f"redis{'s' * self.tls}://{self._login()}{host}:{self.port}/{self.database}"
        if not self.tls:
            return url
        query = {"ssl_cert_reqs": cert_reqs, **self.files}
        if not self.check_hostname:
            query["ssl_check_hostname"] = "false"
        return f"{url}?{urlencode(query)}"


def parse(url: str) -> RedisURL:
    """What the URL says. Raises ValueError, in one line and without the password, where it cannot be used."""
    if "#" in url:
        raise ValueError("write %23 for #")
    parts = urlsplit(url)
    if parts.scheme not in SCHEMES:
        raise ValueError(
            f"{parts.scheme or 'no scheme'} is not supported: write redis://, rediss:// (TLS), unix:// or "
            "redis+socket:// (a socket)"
        )
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    query = dict(pairs)
    if len(query) < len(pairs):
        raise ValueError("something stands twice after the ?")
    login: dict[str, Any] = {"username": unquote(parts.username or ""), "password": unquote(parts.password or "")}
    if parts.scheme in _SOCKETS:
        database = query.pop("virtual_host", "") or query.pop("db", "0")
        _refuse_rest(query, "db (or virtual_host)")
        if parts.hostname or not parts.path.strip("/"):
            raise ValueError(f"write three slashes before the path of the socket: {parts.scheme}:///run/redis.sock")
        return RedisURL(path=unquote(parts.path), database=_database(database.strip("/")), **login)
    if not parts.hostname:
        raise ValueError("no host in it: write redis://HOST:6379/0, or unix:///PATH for a socket")
    in_path = unquote(parts.path).strip("/")
    database = query.pop("db", "") or in_path or "0"
    tls = _tls(query) if parts.scheme == "rediss" else {}
    if parts.scheme == "redis" and any(name.startswith("ssl_") for name in query):
        raise ValueError("ssl_ options want TLS: write rediss:// in place of redis://")
    known = ("db",) if parts.scheme == "redis" else ("db", "ssl_cert_reqs", "ssl_check_hostname", *_FILES)
    _refuse_rest(query, ", ".join(known))
    return RedisURL(
        host=unquote(parts.hostname), port=6379 if parts.port is None else parts.port, database=_database(database),
        tls=parts.scheme == "rediss", **login, **tls,
    )  # fmt: skip


def with_ssl(url: str, options: Any) -> str:
    """The same server as Celery reaches it with `broker_use_ssl`: over TLS, with the options that stand there.

    Raises ValueError for what is no dict, or holds something that a URL cannot say.
    """
    if not options:
        return url
    if options is True and urlsplit(url).scheme == "rediss":
        return url
    if not isinstance(options, Mapping):
        raise ValueError(
            f"CELERY_BROKER_USE_SSL is no dict, such as {{'ssl_ca_certs': '/etc/redis/ca.pem'}}: {options!r}"
        )
    parts = urlsplit(url)
    if parts.scheme not in ("redis", "rediss"):
        raise ValueError("CELERY_BROKER_USE_SSL goes with redis:// or rediss:// alone")
    said = {name: _in_words(value) for name, value in options.items() if value is not None}
    query = urlencode({**dict(parse_qsl(parts.query, keep_blank_values=True)), **said})
    return parts._replace(scheme="rediss", query=query).geturl()


def _in_words(value: Any) -> str:
    if isinstance(value, ssl.VerifyMode):
        return value.name
    return str(value).lower() if isinstance(value, bool) else str(value)


def for_redis_py(url: str) -> str:
    """For redis-py, with threads or asyncio, and for settings.REDIS_URL."""
    found = parse(url)
    return found._socket("unix", "db") if found.path else found._server(found.cert_reqs)


def for_broker(url: str) -> str:
    """For kombu: CELERY_BROKER_URL."""
    found = parse(url)
    return found._socket("redis+socket", "virtual_host") if found.path else _for_celery(found)


def for_results(url: str) -> str:
    """For Celery's Redis backend, after `redis+` or the name of another backend's class and a +."""
    found = parse(url)
    return found._socket("socket", "virtual_host") if found.path else _for_celery(found)


def _for_celery(found: RedisURL) -> str:
    return found._server(f"CERT_{found.cert_reqs.upper()}")


def _tls(query: dict[str, str]) -> dict[str, Any]:
    """The fields of a RedisURL that tell of TLS, taken out of the query."""
    cert_reqs = query.pop("ssl_cert_reqs", "required").lower().removeprefix("cert_")
    if cert_reqs not in _CERT_REQS:
        raise ValueError(f"ssl_cert_reqs must be one of {', '.join(_CERT_REQS)}")
    check = query.pop("ssl_check_hostname", "true").lower()
    if check not in _BOOLEANS:
        raise ValueError("ssl_check_hostname must be true or false")
    files = {name: query.pop(name) for name in _FILES if name in query}
    for name, path in files.items():
        try:
            with open(path, "rb"):  # noqa: PTH123
                pass
        except OSError as error:
            raise ValueError(f"{name}: {path} cannot be read ({error.strerror})") from error
        if "%" in path:  # Celery's results would decode it once more
            raise ValueError(f"{name}: a path with % in it cannot be used")
    if "ssl_keyfile" in files and "ssl_certfile" not in files:
        raise ValueError("ssl_keyfile wants ssl_certfile beside it")
    return {"cert_reqs": cert_reqs, "check_hostname": _BOOLEANS[check] and cert_reqs != "none", "files": files}


def _database(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError("the database must be a number, as in redis://HOST:6379/0")
    return int(text)


def _refuse_rest(query: dict[str, str], known: str) -> None:
    if query:
        raise ValueError(f"{', '.join(sorted(query))} after the ? is not supported; known is {known}")
