"""What a form can tell of an uploaded table before any work: the names of its columns."""

from pathlib import PurePath
from typing import Any

from jobs.kinds._given import opened
from jobs.kinds._tables.choices import AS_FOUND, Choice
from jobs.kinds._tables.text import SUFFIXES, sniff_columns


def columns_of(files: list[Any] | None, choice: Choice = AS_FOUND) -> list[str] | None:
    """Column names of an UploadField's text table, None where only the table engine could tell them."""
    if not files or PurePath(files[0].name).suffix.lower() not in SUFFIXES:
        return None
    try:
        with opened(files[0]) as given:
            return sniff_columns(given, choice)
    except OSError:
        return None
