"""The first sheet of a workbook, as a frame of the table engine or as CSV. A process of its own (sheet.py) reads it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, Literal

from jobs.core.errors import PermanentError
from jobs.core.fields import GB, size_in_words
from jobs.kinds._tables.text import names_of

if TYPE_CHECKING:
    import polars as pl

#: What reading may take in a job: [bytes] of memory, [s] of computing. A million rows of nine columns take 1.4 GB, 6 s.
MEMORY, SECONDS = 4 * GB, 600


@dataclass(frozen=True)
class Sheet:
    """The rows of a sheet that hold anything."""

    name: str
    frame: "pl.DataFrame"
    #: For each row of the frame its place below the header, from 0.
    places: "pl.Series"
    #: The header's row, from 1: rows above it are blank.
    header: int
    #: Sheets of the workbook.
    of: int

    def row_of(self, index: int) -> int:
        """The sheet's row, from 1, of row `index` of the frame."""
        return self.header + 1 + int(self.places[index])


def first_sheet(path: Path, name: str) -> Sheet:
    """Raises PermanentError for a workbook that cannot be read, or is without rows."""
    import polars as pl

    facts, arrow = read(path, name, "arrow", MEMORY, SECONDS)
    frame = pl.read_ipc_stream(arrow)
    if not frame.width:
        raise PermanentError(f"The first sheet of {name}, {facts['name']!r}, is empty. Expected a header and rows.")
    frame.columns = names_of("" if column.startswith("__UNNAMED__") else column for column in frame.columns)
    filled = frame.select(~pl.all_horizontal(pl.all().is_null())).to_series()
    frame, places = frame.filter(filled), filled.arg_true()
    if not frame.height:
        raise PermanentError(f"{name} has a header ({', '.join(frame.columns[:20])}) but no rows below it.")
    return Sheet(frame=frame, places=places, **facts)


def read(
    path: Path, name: str, form: Literal["csv", "arrow"], memory: int, seconds: int
) -> tuple[dict[str, Any], bytes]:
    """What sheet.py says of the first sheet, and the sheet. memory: [bytes]; seconds: [s] of computing.

    Raises PermanentError where it cannot be read, or not within these.
    """
    # -I: nothing beside the script, and no variable of the environment, changes what it imports.
    script = str(Path(__file__).with_name("sheet.py"))
    command = [sys.executable, "-I", script, str(path), form, str(memory), str(seconds)]
    with TemporaryFile() as answer:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=answer, check=False)
        answer.seek(0)
        head, sheet = answer.readline(), answer.read()
    if done.returncode:
        raise PermanentError(
            f"{name} cannot be read within {size_in_words(memory)} of memory and {seconds} s. A cell far from the "
            "others may be the reason: Ctrl+End in Excel goes to the last one. Delete the rows and columns behind the "
            "table, or save the sheet as CSV, and upload it again."
        )
    facts = json.loads(head)
    if error := facts.get("error"):
        raise PermanentError(f"{name} cannot be read as XLSX: {error}. Save it again, or as CSV, and upload it.")
    return facts, sheet


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Errors of the table engine about a file, as words for the one who uploaded it."""
    import polars as pl

    try:
        yield
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = str(error).splitlines()[0][:200]
        ending = Path(name).suffix.lstrip(".").upper()
        raise PermanentError(f"{name} cannot be read as {ending}: {reason}. Save it again and upload it.") from error
