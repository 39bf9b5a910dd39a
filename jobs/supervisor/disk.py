"""The places that jobs need room in: VAR_DIR, where Redis and SQLite lie, and where files are stored."""

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.core.files.storage import storages

from jobs.core.fields import size_in_words
from jobs.core.outage import unwritable

#: Below which people are warned [bytes, share], and below which a place counts as full [bytes].
LEAST_FREE = 1024**3
LEAST_SHARE = 0.05
FULL = 500 * 1024**2


def places() -> dict[str, Path]:
    """The folders by the setting that names them; STORAGE_URL only where it is on this machine."""
    found = {"VAR_DIR": Path(settings.VAR_DIR)}
    with suppress(NotImplementedError):
        found["STORAGE_URL"] = Path(storages["jobs"].path(""))
    return found


def trouble(name: str, folder: Path) -> str:
    """Why jobs cannot keep anything in the folder, "" where they can. Writes there: quotas show in no other way."""
    existing = _existing(folder)
    try:
        with tempfile.TemporaryFile(dir=existing, prefix=".jobsite-") as file:
            file.write(bytes(4096))
    except OSError as error:
        how = unwritable(error)
        return f"{name} ({folder}) {how}." if how else f"{name} ({folder}) cannot be written: {error.strerror}."
    free = shutil.disk_usage(existing).free
    if free < FULL:
        return f"{size_in_words(free)} free in {name} ({folder}): at least {size_in_words(FULL)} are needed."
    return ""


def free(folder: Path) -> str:
    """How much room there is, in words."""
    return size_in_words(shutil.disk_usage(_existing(folder)).free)


def warning(folder: Path, name: str = "VAR_DIR") -> str:
    """What is wrong with the free space in `folder`; "" where there is enough."""
    usage = shutil.disk_usage(_existing(folder))
    share = usage.free / usage.total if usage.total else 0.0
    if usage.free >= LEAST_FREE and share >= LEAST_SHARE:
        return ""
    return (
        f"the disk of {folder} is nearly full: {usage.free / 1024**3:.1f} GB free ({share:.0%}). "
        f"Jobs stop when it is full: make room, or set {name} to a folder on another disk"
    )


def _existing(folder: Path) -> Path:
    """The folder, or the one in which it will be made."""
    return next(path for path in (folder, *folder.parents) if os.path.exists(path))  # noqa: PTH110 (says no where it may not look)
