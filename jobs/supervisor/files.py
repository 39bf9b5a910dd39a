"""Small files in VAR_DIR: written whole or not at all, readable by their owner alone; and the lock."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


class AlreadyRunning(Exception):
    """Another supervisor holds VAR_DIR."""


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, with mode 600."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    new.replace(path)


def read_text(path: Path) -> str:
    """What a file says, "" where there is none."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        return ""


@contextmanager
def waiting_lock(path: Path) -> Iterator[None]:
    """Hold a file's lock, once whoever has it lets go."""
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def lock(path: Path) -> IO[str]:
    """Hold a file's lock, with the process's id in it, until the answer is closed or the process ends.

    Raises AlreadyRunning, which names the holder. A file left by a process that died locks nobody out.
    """
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.seek(0)
        holder = file.read().strip() or "unknown"
        file.close()
        raise AlreadyRunning(holder) from error
    file.seek(0)
    file.truncate()
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file
