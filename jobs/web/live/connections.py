"""What one client may hold: bounds in time and number for the connections of a web process, which uvicorn has none of.

A connection that never finishes its request, or never takes its answer, would otherwise stay open for ever, and a few
hundred of them use up the files that a process may open: nobody else could connect.
"""

import asyncio
import logging
import resource
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any
from weakref import WeakKeyDictionary

from django.conf import settings
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

logger = logging.getLogger("jobsite.web")

#: [s] from a connection's begin, or the first byte of a further request on it, to the end of the request's headers.
HEAD_SECONDS = 20.0
#: [s] that a body may take, beside what its length at LEAST_PACE [bytes/s] takes. Time in which this server reads
#: nothing, because a disk is slow, does not count.
BODY_SECONDS, LEAST_PACE = 30.0, 4096
#: [bytes] of a head, address and headers, beyond which no more of it is waited for.
LONGEST_HEAD = 64 * 1024
#: [s] for which a client may take nothing of what was sent to it.
STALLED_SECONDS = 60.0
#: [s] of silence after which a connection whose request has not come whole gives way to a new one.
MAY_GIVE_WAY = 5.0
#: Files of a process that are kept for databases, uploads and the like, of those that it may open.
KEPT_FILES = 128
_LOOK_EVERY = 1.0

_ANSWERS = {
    408: b"Request Timeout",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
}


class Held:
    """The connections of one server: how many each address has, and which wait for their client."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self._loop = loop
        self.most = most_connections()
        self.most_of_one = max(1, min(settings.CONNECTIONS_PER_ADDRESS, self.most // 2))
        self.all: set[BoundedProtocol] = set()
        self.of: dict[str, set[BoundedProtocol]] = {}
        self._looking = False

    def admit(self, connection: "BoundedProtocol") -> bool:
        """Whether there is room for a new connection; where there is none, the one gives way that has been silent
        for longest."""
        group = self.of.setdefault(connection.address, set()) if connection.address else set()
        for held, most in ((group, self.most_of_one), (self.all, self.most)):
            if len(held) >= most and not _make_room(held, self._loop.time()):
                self.forget(connection)
                return False
        self.all.add(connection)
        group.add(connection)
        if not self._looking:
            self._looking = True
            self._loop.call_later(_LOOK_EVERY, self._look)
        return True

    def forget(self, connection: "BoundedProtocol") -> None:
        self.all.discard(connection)
        if (group := self.of.get(connection.address)) is not None:
            group.discard(connection)
            if not group:
                del self.of[connection.address]

    def _look(self) -> None:
        """One look at all costs less than a timer for each request."""
        now = self._loop.time()
        for connection in list(self.all):
            connection.check(now)
        self._looking = bool(self.all)
        if self._looking:
            self._loop.call_later(_LOOK_EVERY, self._look)


_held: "WeakKeyDictionary[ServerState, Held]" = WeakKeyDictionary()


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with an end to everything that a client may drag out."""

    def __init__(self, config: Any, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None):
        super().__init__(config, server_state, app_state, _loop)
        if server_state not in _held:
            _held[server_state] = Held(self.loop)
        self._held = _held[server_state]
        #: Whose it is, as far as bounds go; "" for one that has none.
        self.address = ""
        #: Whether the head or the body of a request is being waited for; neither while it is answered.
        self._in_head, self._in_body = True, False
        #: [s, of the loop's clock] When head or body must be whole, inf between requests; when the client was heard.
        self._due = float("inf")
        self._heard = 0.0
        #: [bytes] of the head so far; of the answer that the client has yet to take, and since when no less.
        self._head_size = 0
        self._untaken, self._untaken_since = 0, 0.0

    # --- what asyncio tells

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._heard = self.loop.time()
        self._due = self._heard + HEAD_SECONDS
        self.address = bounded_address(self.client[0]) if self.client else ""
        if not self._held.admit(self):
            self._refuse(503, b"Too many connections are open. Try again in a moment.\n", b"retry-after: 5\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        self._held.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        self._heard = self.loop.time()
        if self._in_head:
            self._head_begins()
            self._head_size += len(data)
        super().data_received(data)
        if self._in_head and self._head_size > LONGEST_HEAD:
            most = LONGEST_HEAD // 1024
            self._refuse(431, b"Address and headers are too long: at most %d KB are taken.\n" % most)

    # --- what the parser tells

    def on_message_begin(self) -> None:
        self._head_begins()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head, self._in_body = False, True
        self._due = self._heard + BODY_SECONDS
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._due += len(body) / LEAST_PACE
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_head, self._in_body = True, False
        self._due, self._head_size = float("inf"), 0
        super().on_message_complete()

    # --- bounds

    @property
    def heard(self) -> float:
        """When the client was last heard [s, of the loop's clock]."""
        return self._heard

    def check(self, now: float) -> None:
        """End what has taken too long."""
        if self._is_stalled(now):
            self.transport.abort()
        elif self.transport.is_closing() or not self._waits_for_client():
            # Time in which nobody waits for the client does not count.
            self._due += _LOOK_EVERY
        elif now > self._due:
            what = "body" if self._in_body else "head"
            logger.info("A connection of %s was closed: the %s of its request did not come.", self.address, what)
            self._refuse(408, f"The {what} of the request did not come in time.\n".encode())

    def may_give_way(self, now: float) -> bool:
        """An open connection without a request may end at any time; a body that comes slowly not at once."""
        if self.transport.is_closing() or not self._waits_for_client() or self.transport.get_write_buffer_size():
            return False
        return not self._in_body or now - self._heard > MAY_GIVE_WAY

    def give_way(self) -> None:
        self._held.forget(self)
        self.transport.abort()

    def _head_begins(self) -> None:
        if self._due == float("inf"):
            self._due = self._heard + HEAD_SECONDS

    def _waits_for_client(self) -> bool:
        """Whether the next move is the client's: it has an unfinished body to send, or nothing is being answered."""
        if self._in_body:
            return not self.flow.read_paused
        return self.cycle is None or (self.cycle.response_complete and not self.pipeline)

    def _is_stalled(self, now: float) -> bool:
        size = self.transport.get_write_buffer_size()
        if not size or size < self._untaken or not self._untaken:
            self._untaken_since = now
        self._untaken = size
        return bool(size) and now - self._untaken_since > STALLED_SECONDS

    def _refuse(self, status: int, text: bytes, more: bytes = b"") -> None:
        """Say why, unless the request has its answer already, and close."""
        if not (self._in_body and self.cycle.response_started):
            self.transport.write(
                b"HTTP/1.1 %d %s\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n"
                b"content-length: %d\r\n%s\r\n%s" % (status, _ANSWERS[status], len(text), more, text)
            )
        self.transport.close()


def _make_room(held: Iterable[BoundedProtocol], now: float) -> bool:
    silent = [connection for connection in held if connection.may_give_way(now)]
    if not silent:
        return False
    min(silent, key=lambda connection: connection.heard).give_way()
    return True


def most_connections() -> int:
    """Connections that a process may hold: more would leave it no file to open for its work."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(16, files - KEPT_FILES)


@lru_cache(maxsize=4096)
def bounded_address(client: str) -> str:
    """Whom a connection counts for: an address, of IPv6 the 64 bits that one customer has; "" for a trusted proxy,
    behind which everybody is."""
    try:
        address = ip_address(client.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if any(address in network for network in _trusted()):
        return ""
    return str(ip_network(f"{address}/64", strict=False)) if isinstance(address, IPv6Address) else str(address)


@lru_cache(maxsize=1)
def _trusted() -> "tuple[IPv4Network | IPv6Network, ...]":
    return tuple(ip_network(proxy, strict=False) for proxy in settings.TRUSTED_PROXIES)
