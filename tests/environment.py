"""What a test run stands on: a folder of its own, a real Redis and, if TEST_DATABASE=postgres, a real PostgreSQL.

A pytest plugin (`-p tests.environment` in pyproject.toml), since pytest-django reads the settings before any conftest.
"""

import atexit
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.services import free_port, start_postgres, start_redis

VAR = Path(tempfile.mkdtemp(prefix="jobsite-test-"))
#: Beside it: run by root, PostgreSQL is another user's process, and VAR_DIR is closed to others.
POSTGRES = VAR.with_name(f"{VAR.name}-postgres")


def _start() -> None:
    port = free_port()
    try:
        server = start_redis(VAR / "redis", port)
    except RuntimeError:  # another process took the port first
        port = free_port()
        server = start_redis(VAR / "redis", port)

    def stop() -> None:
        server.send_signal(signal.SIGTERM)
        server.wait(10)
        shutil.rmtree(VAR, ignore_errors=True)
        shutil.rmtree(POSTGRES, ignore_errors=True)

    atexit.register(stop)
    for name in ("DATABASE_URL", "EMAIL_URL", "BASE_URL", "DEBUG"):
        os.environ.pop(name, None)
    os.environ["VAR_DIR"] = str(VAR)
    os.environ["REDIS_URL"] = f"redis://127.0.0.1:{port}/0"
    if os.environ.get("TEST_DATABASE") == "postgres":
        os.environ["DATABASE_URL"] = start_postgres(POSTGRES)
    if any("tests/system" in word or "tests/faults" in word for word in sys.argv):
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.system.settings"


_start()
