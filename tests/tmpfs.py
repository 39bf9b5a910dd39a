"""A small file system in memory, to be filled: a real one, since no mock is full as a disk is."""

import errno
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Mount one at `folder`; skips the test where this user may not."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "jobsite-test", str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Use up all the room; answers the file that holds it, to be removed."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for piece in (bytes(65536), b"x"):
            try:
                while True:
                    file.write(piece)
            except OSError as error:
                assert error.errno == errno.ENOSPC
    return ballast


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A mounted folder, read-only for a while."""
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True)
