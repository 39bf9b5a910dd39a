"""Threads of one process that write to SQLite take turns here, before SQLite makes them wait by sleeping."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

_turn = threading.Lock()


@contextmanager
def write() -> Iterator[None]:
    """A transaction that writes.

    SQLite has one writer; who finds it busy sleeps and tries again, up to 0.1 s at a time: measured with eight
    threads, the lock was free for most of the time. A thread that is within a transaction has the lock already, and
    must not wait for one that waits for it.
    """
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        with transaction.atomic():
            yield
    else:
        with _turn, transaction.atomic():
            yield
