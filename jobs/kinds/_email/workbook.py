"""A recipients file that is an Excel workbook, turned into CSV before the job is accepted.

Workers of the io pool read CSV piece by piece; unpacking a workbook there would hold up their event loop.
"""

import csv
import io
import re
import zipfile

from jobs.kinds._email.mailing import Unreadable

#: [bytes] unpacked; a workbook of more is no list but a bomb.
LARGEST = 500 * 1024**2
#: How a day without a time is told.
_MIDNIGHT = re.compile(r"(\d{4}-\d\d-\d\d) 00:00:00(\.0+)?")


def as_csv(content: bytes) -> bytes:
    """The first sheet, every row in its place. Raises Unreadable."""
    import fastexcel

    try:
        with zipfile.ZipFile(io.BytesIO(content)) as parts:
            if sum(part.file_size for part in parts.infolist()) > LARGEST:
                raise Unreadable("The workbook unpacks to more than 500 MB: save the sheet as CSV.")
        sheet = fastexcel.read_excel(content).load_sheet(0, header_row=None, skip_rows=0, dtypes="string")
        rows = sheet.to_polars().iter_rows()
    except (zipfile.BadZipFile, fastexcel.FastExcelError) as error:
        raise Unreadable("This is no Excel workbook that can be read: save it again, or as CSV.") from error
    text = io.StringIO()
    csv.writer(text).writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _cell(value: str | None) -> str:
    found = _MIDNIGHT.fullmatch(value or "")
    return found[1] if found else value or ""
