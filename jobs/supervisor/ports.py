"""Loopback ports: whether one is free, and URLs that keep theirs across restarts."""

import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from jobs.supervisor.files import read_text, write_private


def why_taken(host: str, port: int) -> str:
    """Why nobody can listen there, in the system's words; "" where one can."""
    try:
        family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, proto) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            # Two sockets may be bound to a port with SO_REUSEADDR, but only one may listen.
            probe.listen(1)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def kept_url(path: Path, make: Callable[[int, SplitResult], str]) -> str:
    """The URL in `path`, with its port changed only where somebody else has taken it; written back.

    make: the URL for a port, given the one kept before (empty at first).
    """
    before = urlsplit(read_text(path))
    try:
        port = before.port
    except ValueError:
        port = None
    if not port or why_taken("127.0.0.1", port):
        port = free_port()
    url = make(port, before)
    write_private(path, url + "\n")
    return url
