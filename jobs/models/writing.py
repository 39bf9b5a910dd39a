"""Who writes to SQLite queues here, before SQLite makes him wait by sleeping."""

import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connection, transaction

_turn = threading.Lock()


@contextmanager
def write() -> Iterator[None]:
    """A transaction that writes.

    SQLite has one writer; who finds it busy sleeps and tries again, up to 0.1 s at a time: measured with eight
    threads and a keeper, the database was free for most of the time. So writers of all processes take turns by a lock
    on a file beside it, which wakes the next at once. It guards nothing: a writer that knows nothing of it waits as
    ever. Within a transaction the turn is taken already, and waiting for it would be waiting for oneself.
    """
    database: Any = connection
    if database.vendor != "sqlite" or database.in_atomic_block or database.is_in_memory_db():
        with transaction.atomic():
            yield
    else:
        with _turn, Path(f"{database.settings_dict['NAME']}-turn").open("ab") as line:
            # Opened anew each time: a lock belongs to what was opened, which a forked child would share.
            fcntl.flock(line, fcntl.LOCK_EX)
            with transaction.atomic():
                yield
