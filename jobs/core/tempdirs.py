"""Folders for what an attempt, or a web process, needs while it runs. A killed process cannot remove its own: the next
one does.
"""

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

#: Of attempts, and of the uploads that a web process takes in.
ATTEMPT, UPLOADS = "jobsite-attempt-", "jobsite-uploads-"
_LOCK = ".lock"
#: [s] within which a folder may have been made and not locked yet.
_YOUNG = 60.0


class TempDir:
    """A fresh folder, locked for as long as this process lives: the kernel lets go of the lock, whatever kills it."""

    def __init__(self, prefix: str = ATTEMPT, parent: Path | None = None) -> None:
        parent = parent or Path(tempfile.gettempdir())
        _clear_left(parent, prefix)
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        self._lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT)
        with suppress(OSError):  # a file system without locks, where nothing is cleared either
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _clear_left(parent: Path, prefix: str) -> None:
    """Remove the folders that no living process has locked."""
    for folder in parent.glob(f"{prefix}*"):
        with suppress(OSError):  # removed meanwhile, in use, or another user's
            if time.time() - folder.stat().st_mtime > _YOUNG:
                _remove_unlocked(folder)


def _remove_unlocked(folder: Path) -> None:
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
