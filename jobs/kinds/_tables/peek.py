"""What a form can tell of an uploaded table before any work: the names of its columns."""

from pathlib import PurePath
from typing import Any

from django.core.files.storage import storages

from jobs.core.fields import FileRef
from jobs.kinds._tables.text import SUFFIXES, sniff_columns


def columns_of(files: list[Any] | None) -> list[str] | None:
    """Column names of an UploadField's text table, None where only the table engine could tell them."""
    if not files or PurePath(files[0].name).suffix.lower() not in SUFFIXES:
        return None
    file = files[0]
    if not isinstance(file, FileRef):
        return sniff_columns(file)
    try:
        with storages["jobs"].open(file.path) as stored:
            return sniff_columns(stored)
    except OSError:
        return None
