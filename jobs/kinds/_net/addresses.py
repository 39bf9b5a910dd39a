"""Which addresses may be connected to, and the connecting: the check and the use are of the same address.

A name is resolved once, its addresses are checked, and the socket goes to one of those that passed. So a name that
answers differently a moment later (DNS rebinding), or a redirect to one, leads nowhere else.
"""

import ipaddress
import socket
import threading
import time
from typing import Any

from django.conf import settings

from jobs.kinds._net.special import is_special

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

HINT = "Private networks are refused unless an administrator sets ALLOW_PRIVATE_URLS=true."
#: [s] that the addresses of a name are remembered by one client.
REMEMBERED = 60.0


class PrivateAddress(Exception):
    """The host has only addresses of private networks."""


class NoSuchHost(OSError):
    """The host's name has no address."""


def private_allowed() -> bool:
    return bool(getattr(settings, "ALLOW_PRIVATE_URLS", False))


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet, also where it carries another inside."""
    return not is_special(address)


class Resolver:
    """Addresses of names, each name looked up once at a time."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[float, list[Any]]] = {}
        self._locks: dict[tuple[str, int], threading.Lock] = {}

    def addresses(self, host: str, port: int) -> list[Any]:
        """What `getaddrinfo` answers, only addresses that may be used. Raises PrivateAddress, NoSuchHost."""
        key = (host, port)
        with self._locks.setdefault(key, threading.Lock()):
            until, found = self._known.get(key, (0.0, []))
            if time.monotonic() > until:
                found = _look_up(host, port)
                self._known[key] = (time.monotonic() + REMEMBERED, found)
        allowed = [entry for entry in found if private_allowed() or is_public(_address(entry))]
        if not allowed:
            raise PrivateAddress(f"{host} is {_address(found[0])}, a private address. {HINT}")
        return allowed


def _look_up(host: str, port: int) -> list[Any]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NoSuchHost(f"{host}: no address found for this name") from error
    found = [entry for entry in found if entry[0] in (socket.AF_INET, socket.AF_INET6)]
    if not found:
        raise NoSuchHost(f"{host}: no address found for this name")
    return found


def _address(entry: Any) -> Address:
    return ipaddress.ip_address(entry[4][0].partition("%")[0])


def connect(host: str, port: int, deadline: float, resolver: Resolver) -> socket.socket:
    """A connected socket. deadline: by time.monotonic(), shared among the host's addresses. Raises OSError."""
    candidates = resolver.addresses(host, port)
    failure: OSError = NoSuchHost(host)
    for index, (family, kind, protocol, _, address) in enumerate(candidates):
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(remaining / (len(candidates) - index))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
    raise failure
