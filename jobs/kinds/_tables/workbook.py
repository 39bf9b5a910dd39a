"""A sheet of a workbook, as a frame of the table engine or as CSV. A process of its own (sheet.py) reads it."""

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
from jobs.kinds._tables.choices import AS_FOUND, Choice
from jobs.kinds._tables.sheet_xml import FORMULA
from jobs.kinds._tables.text import names_of

if TYPE_CHECKING:
    import polars as pl

#: What reading may take in a job: [bytes] of memory, [s] of computing. A million rows of nine columns: 1.1 GB, 28 s.
MEMORY, SECONDS = 4 * GB, 600


#: Rows that a note names.
NAMED = 5


@dataclass(frozen=True)
class Sheet:
    """The rows of a sheet that hold anything."""

    name: str
    frame: "pl.DataFrame"
    #: For each row of the frame its place below the header, from 0.
    places: "pl.Series"
    #: The header's row, from 1.
    header: int
    #: Columns all of whose cells the workbook itself calls text.
    texts: list[str]
    #: How it was read, in sentences.
    notes: list[str]
    #: Whether errors, or formulas without a value, stand among its cells.
    has_errors: bool

    def row_of(self, index: int) -> int:
        """The sheet's row, from 1, of row `index` of the frame."""
        return self.header + 1 + int(self.places[index])


def open_sheet(path: Path, name: str, choice: Choice = AS_FOUND) -> Sheet:
    """Raises PermanentError for a workbook that cannot be read, or is without rows."""
    import polars as pl

    facts, arrow = read(path, name, "arrow", MEMORY, SECONDS, choice)
    frame, heads = pl.read_ipc_stream(arrow), facts["heads"]
    if not any(heads) and not frame.height:
        raise PermanentError(f"The sheet {facts['name']!r} of {name} is empty. Expected a header and rows.")
    frame.columns = names_of(heads)
    filled = frame.select(~pl.all_horizontal(pl.all().is_null())).to_series()
    frame, places = frame.filter(filled), filled.arg_true()
    if not frame.height:
        raise PermanentError(
            f"The sheet {facts['name']!r} of {name} has a header ({', '.join(frame.columns[:20])}) "
            "but no rows below it."
        )
    texts = [frame.columns[at] for at in facts["texts"]]
    has_errors = bool(facts["errors"] or facts["formulas"])
    return Sheet(facts["name"], frame, places, facts["header"], texts, notes_of(facts), has_errors)


def notes_of(facts: dict[str, Any]) -> list[str]:
    """How a sheet was read, in sentences. facts: as sheet.py tells them."""
    others = [name for name in facts["visible"] if name != facts["name"]]
    notes = [f"The sheet {facts['name']!r} was read."]
    if others:
        notes[0] = f"The sheet {facts['name']!r} was read, not {', '.join(map(repr, others[:8]))}."
    if hidden := facts["hidden"]:
        notes.append(f"The workbook has {hidden:,} hidden sheet{'' if hidden == 1 else 's'}.")
    if rows := facts["hidden_rows"]:
        how = " (a filter is set)" if facts["filtered"] else ""
        were = "row is hidden in the sheet and was" if rows == 1 else "rows are hidden in the sheet and were"
        notes.append(f"{rows:,} {were} read too{how}.")
    if rows := facts["formulas"]:
        notes.append(
            f"{_rows(rows)} formulas that were never computed ({FORMULA}): open the workbook in a spreadsheet program, "
            "save it, and upload it again."
        )
    if rows := facts["errors"]:
        notes.append(f"{_rows(rows)} errors such as #DIV/0! or #N/A.")
    return notes


def _rows(rows: list[int]) -> str:
    """Rows 3 and 4 hold; the row of each cell that is meant, in order."""
    rows = sorted(set(rows))
    if len(rows) == 1:
        return f"Row {rows[0]:,} holds"
    shown = [f"{row:,}" for row in rows[:NAMED]]
    if len(rows) > NAMED:
        return f"Rows {', '.join(shown)} and {len(rows) - NAMED:,} more hold"
    return f"Rows {', '.join(shown[:-1])} and {shown[-1]} hold"


def read(
    path: Path, name: str, form: Literal["csv", "arrow"], memory: int, seconds: int, choice: Choice = AS_FOUND
) -> tuple[dict[str, Any], bytes]:
    """What sheet.py says of the sheet, and the sheet. memory: [bytes]; seconds: [s] of computing.

    Raises PermanentError where it cannot be read, or not within these.
    """
    # -I: nothing beside the script, and no variable of the environment, changes what it imports.
    script = str(Path(__file__).with_name("sheet.py"))
    chosen = [choice.sheet, str(choice.header)]
    command = [sys.executable, "-I", script, str(path), form, *chosen, str(memory), str(seconds)]
    with TemporaryFile() as answer:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=answer, stderr=subprocess.DEVNULL, check=False)
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
        if facts.get("is_choice"):
            raise PermanentError(f"{name}: {error}.")
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
