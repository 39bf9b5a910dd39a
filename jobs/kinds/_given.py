"""Files as a form has them: an upload, or one that is stored already."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from django.core.files.storage import storages

from jobs.core.fields import FileRef


@contextmanager
def opened(file: Any) -> Iterator[IO[bytes]]:
    """It, to read from its start. Raises OSError for a stored file that is not kept any more."""
    if isinstance(file, FileRef):
        with storages["jobs"].open(file.path) as stored:
            yield stored
    else:
        file.seek(0)
        try:
            yield file
        finally:
            file.seek(0)


def content_of(file: Any) -> bytes:
    """All its bytes. Raises as `opened`."""
    with opened(file) as given:
        return given.read()
