"""The command line of a Celery worker, and its name among those of this machine."""

import fcntl
import os
import socket
import sys
from pathlib import Path

from jobs.core import private
from jobs.core.kind import POOLS


def worker_argv(pool: str, concurrency: int | None = None, node: str | None = None) -> list[str]:
    """Arguments that run a worker for the queue `pool`, with the pool that the settings name for it.

    The pool goes on the command line, and nowhere else: named by a setting, Celery loads it too late for
    eventlet to take the place of the standard library's blocking calls.
    """
    from django.conf import settings

    implementation, default = {
        "io": (settings.IO_POOL, settings.IO_CONCURRENCY),
        "cpu": ("prefork", settings.CPU_CONCURRENCY),
    }[pool]
    # Two warnings of which docs/pools.md says what to make: eventlet's about itself, at Celery's import of it, and
    # Celery's about root, whose danger is pickle, which this site never reads.
    quiet = ("-W", "ignore::Warning:celery", "-W", "ignore::Warning:celery.platforms")
    # Neither gossip nor mingle, which ask every other worker. The heartbeat stays: without it Celery builds no
    # dispatcher of events, and Flower, `celery events` and exporters would never see this worker.
    return [
        sys.executable, *quiet, "-m", "celery", "--quiet", "-A", settings.JOBSITE_CELERY_APP, "worker",
        "-P", implementation, "-c", str(concurrency or default), "-Q", pool, "-n", f"{node or pool}@%h",
        "--loglevel", "INFO", "--without-gossip", "--without-mingle",
    ]  # fmt: skip


def claim_node(pool: str, var_dir: Path) -> str:
    """The first of io, io2, io3 … that no worker on this machine has; held until this process and what it
    executes end, since the descriptor of the lock is inherited.
    """
    if pool not in POOLS:
        raise ValueError(f"pool {pool!r} must be one of {', '.join(POOLS)}")
    folder = var_dir / "nodes"
    private.make_folder(folder)
    number = 1
    while True:
        node = pool if number == 1 else f"{pool}{number}"
        descriptor = os.open(folder / f"{node}@{socket.gethostname()}", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            number += 1
            continue
        os.set_inheritable(descriptor, True)
        return node
