"""The peer of lists, searches and polls: a Flower of its own, with tasks in its memory."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.site import ROOT, memory, wait_for_http
from tests.services import free_port, start_redis


@contextmanager
def flower(tasks: int) -> Iterator[tuple[int, int]]:
    """Port and process id of a Flower that knows so many tasks."""
    folder, port, redis_port = Path(tempfile.mkdtemp(prefix="jobsite-flower-")), free_port(), free_port()
    redis = start_redis(folder, redis_port)
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.flower_server", str(port), str(tasks), f"redis://127.0.0.1:{redis_port}/0"],
        cwd=ROOT, env={**os.environ, "FLOWER_UNAUTHENTICATED_API": "true"}, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for_http(f"http://127.0.0.1:{port}/api/tasks?limit=1", server, 1800)
        print(f"-- Flower with {tasks:,} tasks in {memory(server.pid):,.0f} MB")
        yield port, server.pid
    finally:
        server.kill()
        server.wait()
        redis.terminate()
        redis.wait(30)
        shutil.rmtree(folder, ignore_errors=True)
