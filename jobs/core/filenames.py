"""What a file that somebody sent, or a kind made, is called: to people, and in the storage."""

from pathlib import PurePath

from django.core.exceptions import SuspiciousFileOperation
from django.utils.text import get_valid_filename

#: Of the name in the storage [bytes]: file systems take 255, and the storage may append some to make it unique.
_MOST = 100
_NAMELESS = "file"


def shown_name(sent: str) -> str:
    """Without folders, whichever system's, and no longer than a row takes."""
    name = PurePath(sent.replace("\\", "/")).name[:255]
    return name if name.strip(".") else _NAMELESS


def stored_name(shown: str) -> str:
    """Of plain letters, digits, dots and dashes, never empty: cut from the left, so that its suffix stays."""
    try:
        valid = get_valid_filename(shown)
    except SuspiciousFileOperation:  # nothing of it is left
        return _NAMELESS
    return valid.encode(errors="ignore")[-_MOST:].decode(errors="ignore").lstrip(".") or _NAMELESS
