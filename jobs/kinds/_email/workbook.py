"""A recipients file that is an Excel workbook, turned into CSV before the job is accepted.

Workers of the io pool read CSV piece by piece; unpacking a workbook there would hold up their event loop.
"""

from functools import lru_cache
from pathlib import Path
from tempfile import NamedTemporaryFile

from django.conf import settings

from jobs.core.errors import PermanentError
from jobs.core.fields import GB, MB
from jobs.kinds._email.mailing import Unreadable
from jobs.kinds._tables.workbook import read

#: What reading may take while somebody waits for the page: [bytes] of memory, [s] of computing.
MEMORY, SECONDS = 2 * GB, 30
#: [bytes] of a workbook that is remembered: while its form is filled in, it is asked for at each pause in typing.
SMALL = 1 * MB


def as_csv(content: bytes) -> bytes:
    """The first sheet, every row in its place. Raises Unreadable."""
    return (_remembered if len(content) <= SMALL else _read)(content)


def _read(content: bytes) -> bytes:
    with NamedTemporaryFile(suffix=".xlsx", dir=settings.FILE_UPLOAD_TEMP_DIR) as file:
        file.write(content)
        file.flush()
        try:
            return read(Path(file.name), "The workbook", "csv", MEMORY, SECONDS)[1]
        except PermanentError as error:
            raise Unreadable(str(error)) from error


_remembered = lru_cache(maxsize=4)(_read)
