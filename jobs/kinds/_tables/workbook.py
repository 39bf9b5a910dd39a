"""The first sheet of a workbook as a frame of the table engine."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.core.errors import PermanentError
from jobs.kinds._tables.text import names_of

if TYPE_CHECKING:
    import polars as pl

#: [bytes] unpacked; a workbook of more is no table but a bomb.
LARGEST = 2 * 1024**3


@dataclass(frozen=True)
class Sheet:
    """The rows of a sheet that hold anything."""

    name: str
    frame: "pl.DataFrame"
    #: For each row of the frame its place below the header, from 0.
    places: "pl.Series"
    #: Sheets of the workbook.
    of: int

    def row_of(self, index: int) -> int:
        """The sheet's row, from 1, of row `index` of the frame."""
        return int(self.places[index]) + 2


def first_sheet(path: Path, name: str) -> Sheet:
    """Raises PermanentError for a workbook without rows, or too large."""
    import fastexcel
    import polars as pl

    with zipfile.ZipFile(path) as parts:
        if sum(part.file_size for part in parts.infolist()) > LARGEST:
            raise PermanentError(f"{name} unpacks to more than 2 GB. Save the sheet as CSV and upload that.")
    sheets = fastexcel.read_excel(path).sheet_names
    frame = pl.read_excel(
        path,
        sheet_name=sheets[0],
        infer_schema_length=None,
        drop_empty_rows=False,
        drop_empty_cols=False,
        raise_if_empty=False,
    )
    if not frame.width:
        raise PermanentError(f"The first sheet of {name}, {sheets[0]!r}, is empty. Expected a header and rows.")
    frame.columns = names_of("" if column.startswith("__UNNAMED__") else column for column in frame.columns)
    filled = frame.select(~pl.all_horizontal(pl.all().is_null())).to_series()
    frame, places = frame.filter(filled), filled.arg_true()
    if not frame.height:
        raise PermanentError(f"{name} has a header ({', '.join(frame.columns[:20])}) but no rows below it.")
    return Sheet(sheets[0], frame, places, len(sheets))


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Errors of the table engine about a file, as words for the one who uploaded it."""
    import fastexcel
    import polars as pl

    try:
        yield
    except (pl.exceptions.PolarsError, fastexcel.FastExcelError, zipfile.BadZipFile, OSError) as error:
        reason = str(error).splitlines()[0][:200]
        ending = Path(name).suffix.lstrip(".").upper()
        raise PermanentError(f"{name} cannot be read as {ending}: {reason}. Save it again and upload it.") from error
