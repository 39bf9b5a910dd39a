"""A recipients file that is an Excel workbook, turned into CSV before the job is accepted.

Workers of the io pool read CSV piece by piece; unpacking a workbook there would hold up their event loop.
"""

from pathlib import Path
from tempfile import NamedTemporaryFile

from jobs.core.errors import PermanentError
from jobs.core.fields import GB
from jobs.kinds._email.mailing import Unreadable
from jobs.kinds._tables.workbook import read

#: What reading may take while somebody waits for the page: [bytes] of memory, [s] of computing.
MEMORY, SECONDS = 2 * GB, 30


def as_csv(content: bytes) -> bytes:
    """The first sheet, every row in its place. Raises Unreadable."""
    with NamedTemporaryFile(suffix=".xlsx") as file:
        file.write(content)
        file.flush()
        try:
            return read(Path(file.name), "The workbook", "csv", MEMORY, SECONDS)[1]
        except PermanentError as error:
            raise Unreadable(str(error)) from error
