"""What a file that somebody sent, or a kind made, is called: to people, and on disk."""

from contextlib import suppress
from pathlib import PurePath
from typing import Any

from django.core.exceptions import SuspiciousFileOperation
from django.core.files.storage import Storage
from django.utils.text import get_valid_filename

#: Of the name in the storage [bytes]: file systems take 255, and the storage may append some to make it unique.
_MOST = 100
_NAMELESS = "file"


def shown_name(sent: str) -> str:
    """Without folders, whichever system's, and no longer than a row takes."""
    name = PurePath(sent.replace("\\", "/")).name[:255]
    return name if name.strip(".") else _NAMELESS


def save_whole(storage: Storage, path: str, content: Any) -> str:
    """Keep a file under a path that nothing has yet, whole or not at all: half of one would keep a full disk full.

    Answers the path. Raises OSError.
    """
    try:
        return storage.save(path, content)
    except OSError:
        with suppress(OSError):
            storage.delete(path)
        raise


def stored_name(shown: str) -> str:
    """Of plain letters, digits, dots and dashes, never empty: cut from the left, so that its suffix stays."""
    valid = valid_name(shown, _NAMELESS)
    return valid.encode(errors="ignore")[-_MOST:].decode(errors="ignore").lstrip(".") or _NAMELESS


def valid_name(text: str, otherwise: str) -> str:
    """The text as any file system takes it; `otherwise` where nothing is left of it, as of “🎉” or “???”."""
    try:
        name = get_valid_filename(text)
    except SuspiciousFileOperation:
        return otherwise
    return name if name.strip("._") else otherwise
