"""A recipients file that is an Excel workbook, turned into CSV before the job is accepted.

Workers of the io pool read CSV piece by piece; unpacking a workbook there would hold up their event loop.
"""

import re
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from django.conf import settings

from jobs.core.errors import PermanentError
from jobs.core.fields import GB, MB, size_in_words
from jobs.core.turn import Turn
from jobs.kinds._email.mailing import Unreadable
from jobs.kinds._tables.choices import AS_FOUND, Choice
from jobs.kinds._tables.workbook import read
from jobs.kinds._zip import reading

#: What reading may take while somebody waits for the page: [bytes] of memory, [s] of computing; one at a time.
MEMORY, SECONDS = 2 * GB, 30
#: [bytes] of a workbook that is remembered: while its form is filled in, it is asked for at each pause in typing.
SMALL = 1 * MB
#: What is not even begun with: [bytes] that the workbook has unpacked, cells that its sheet says to have.
MOST_UNPACKED, MOST_CELLS = 200 * MB, 20_000_000
_SHEET, _HEAD = re.compile(r"xl/worksheets/[^/]+\.xml"), 4096
_DIMENSION = re.compile(rb"""<dimension\s+ref=["']([A-Z]{1,3})([0-9]{1,7}):([A-Z]{1,3})([0-9]{1,7})["']""")

_turn = Turn("workbooks")


def as_csv(content: bytes, choice: Choice = AS_FOUND) -> tuple[bytes, dict[str, Any]]:
    """The sheet, every row in its place, and what sheet.py says of it. Raises Unreadable, and Busy."""
    return (_remembered if len(content) <= SMALL else _read)(content, choice)


def _read(content: bytes, choice: Choice) -> tuple[bytes, dict[str, Any]]:
    _look(content)
    with _turn.taken(), NamedTemporaryFile(suffix=".xlsx", dir=settings.FILE_UPLOAD_TEMP_DIR) as file:
        file.write(content)
        file.flush()
        try:
            facts, rows = read(Path(file.name), "The workbook", "csv", MEMORY, SECONDS, choice)
        except PermanentError as error:
            raise Unreadable(str(error)) from error
    return rows, facts


_remembered = lru_cache(maxsize=4)(_read)


def _look(content: bytes) -> None:
    """Refuse by what the workbook says of itself, which costs nothing. A lie meets the limits of reading."""
    try:
        with reading.opened(BytesIO(content)) as archive, reading.reads():
            infos = archive.infolist()
            unpacked = sum(info.file_size for info in infos)
            sheets = [info for info in infos if _SHEET.fullmatch(info.filename)]
            heads = []
            # Of a workbook with very many sheets the first tell enough: reading has limits of its own.
            for info in sheets[:50]:
                with archive.open(info) as file:
                    heads.append(file.read(_HEAD))
    except reading.Unusable as error:
        raise Unreadable(f"The workbook cannot be read as XLSX: {error} Save it again, or as CSV.") from error
    if unpacked > MOST_UNPACKED:
        sizes = f"{size_in_words(unpacked)}: at most {size_in_words(MOST_UNPACKED)} are taken"
        raise Unreadable(f"The workbook unpacks to {sizes}. Save the sheet of recipients as CSV.")
    # Which sheet is read is not known yet: the workbook is refused where each of them is too large.
    if heads and (cells := min(map(_cells, heads))) > MOST_CELLS:
        raise Unreadable(
            f"The workbook's sheet has {cells:,} cells: at most {MOST_CELLS:,} are taken. Ctrl+End in Excel "
            "goes to the last one: delete the rows and columns behind the table, or save the sheet as CSV."
        )


def _cells(head: bytes) -> int:
    """Cells that a sheet says to have, 0 where it does not say."""
    if not (found := _DIMENSION.search(head)):
        return 0
    left, top, right, bottom = found.groups()
    return (int(bottom) - int(top) + 1) * (_column(right) - _column(left) + 1)


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number
