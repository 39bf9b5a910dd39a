"""Modes of what is kept: the database, sessions, mails and files are for the user alone who runs Jobsite.

Standard library only: the settings make their folder with it, before Django is there.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

#: Bits of a mode that let others in: group and everybody.
OTHERS = 0o077
FOLDER, FILE = 0o700, 0o600


def make_folder(path: Path) -> None:
    """Make the folder if it is missing; close it to others where it is ours. Raises OSError where it cannot be made."""
    path.mkdir(mode=FOLDER, parents=True, exist_ok=True)
    with suppress(PermissionError):  # somebody else's folder, which they share with us: `tighten` tells
        _close(path, path.lstat().st_mode)


def tighten(folder: Path) -> list[Path]:
    """Close a folder and all in it to others, as installations of before left it open; answers what could not be.

    Links are left alone, and so is what they lead to. What vanishes meanwhile is no matter.
    """
    left: list[Path] = []
    for parent, folders, files in os.walk(folder):
        for path in (Path(parent), *(Path(parent, name) for name in (*folders, *files))):
            try:
                mode = path.lstat().st_mode
                if not stat.S_ISLNK(mode):
                    _close(path, mode)
            except FileNotFoundError:
                continue
            except OSError:
                left.append(path)
    return left


def _close(path: Path, mode: int) -> None:
    if mode & OTHERS:
        path.chmod(stat.S_IMODE(mode) & ~OTHERS)
