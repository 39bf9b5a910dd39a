"""HTTP/1.1 connections that go only where they may, and are kept for the next request to the same host."""

import http
import http.client
import select
import ssl
import threading
from collections import OrderedDict
from functools import cache
from typing import Any

from jobs.kinds._net import addresses
from jobs.kinds._net.watch import Deadline

Origin = tuple[str, str, int]


@cache
def tls() -> ssl.SSLContext:
    """One for the process: reading the system's certificates takes tens of milliseconds."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class Response(http.client.HTTPResponse):
    """The final answer: what comes before it with a status of 1xx, such as 103 Early Hints, is passed over.

    http.client passes over 100 alone and would take any other for the answer, so that the real one would be read as
    that of the next request on the same connection.
    """

    _MOST = 20

    def _read_status(self) -> tuple[str, int, str]:
        for _ in range(self._MOST):
            version, status, reason = super()._read_status()  # type: ignore[misc]
            if not 100 <= status < 200 or status == http.HTTPStatus.SWITCHING_PROTOCOLS:
                return version, status, reason
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException(f"more than {self._MOST} answers before the answer")


class Connection(http.client.HTTPConnection):
    """A connection to one origin. `deadline` is that of the exchange in hand."""

    sock: Any
    response_class = Response

    def __init__(self, origin: Origin, resolver: addresses.Resolver):
        self.origin, self.resolver = origin, resolver
        self.deadline: Deadline | None = None
        self.default_port = 443 if origin[0] == "https" else 80
        super().__init__(origin[1], origin[2])

    def connect(self) -> None:
        deadline = self.deadline
        assert deadline is not None
        sock = addresses.connect(self.host, self.port, deadline.at, self.resolver)
        self.sock = deadline.sock = sock
        sock.settimeout(deadline.remaining)
        if self.origin[0] == "https":
            # The handshake apart, so that the deadline reaches the socket while it goes on.
            secure = tls().wrap_socket(sock, server_hostname=self.host, do_handshake_on_connect=False)
            self.sock = deadline.sock = secure
            secure.do_handshake()

    def begin(self, deadline: Deadline) -> None:
        """Take up an exchange."""
        self.deadline = deadline
        if self.sock is not None:
            deadline.sock = self.sock
            self.sock.settimeout(deadline.remaining)

    @property
    def is_open(self) -> bool:
        return self.sock is not None

    @property
    def is_quiet(self) -> bool:
        """Whether nothing has come since the last answer: neither its end nor what nobody asked for, which would be
        taken for the next answer."""
        pending = getattr(self.sock, "pending", None)
        if pending is not None and pending():
            return False
        readable, _, _ = select.select([self.sock], [], [], 0)
        return not readable


class Kept:
    """Idle connections by origin; those in use and idle together stay within `most`, the oldest idle ones give way."""

    def __init__(self, most: int):
        self.most = most
        self.resolver = addresses.Resolver()
        self._idle: OrderedDict[Connection, None] = OrderedDict()
        self._by_origin: dict[Origin, list[Connection]] = {}
        self._in_use = 0
        self._lock = threading.Lock()

    def take(self, origin: Origin, *, fresh: bool = False) -> Connection:
        """A connection that was used before and is idle, else (or if fresh) a new one, not yet connected."""
        closing = None
        with self._lock:
            self._in_use += 1
            idle = [] if fresh else self._by_origin.get(origin, [])
            while idle:
                connection = idle.pop()
                del self._idle[connection]
                if connection.is_quiet:
                    return connection
                connection.close()
            if self._idle and self._in_use + len(self._idle) > self.most:
                closing, _ = self._idle.popitem(last=False)
                self._by_origin[closing.origin].remove(closing)
        if closing is not None:
            closing.close()
        return Connection(origin, self.resolver)

    def give(self, connection: Connection, *, reusable: bool) -> None:
        connection.deadline = None
        with self._lock:
            self._in_use -= 1
            if reusable and connection.is_open and self._in_use + len(self._idle) < self.most:
                self._idle[connection] = None
                self._by_origin.setdefault(connection.origin, []).append(connection)
                return
        connection.close()

    def close(self) -> None:
        with self._lock:
            idle = list(self._idle)
            self._idle.clear()
            self._by_origin.clear()
        for connection in idle:
            connection.close()
