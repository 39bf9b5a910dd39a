"""The rows of an uploaded table, one at a time, each with its place in the file."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from jobs.core.errors import PermanentError
from jobs.kinds._tables import json_lines
from jobs.kinds._tables.cells import no_value
from jobs.kinds._tables.choices import AS_FOUND, Choice
from jobs.kinds._tables.text import SUFFIXES, TextTable

ACCEPT = (*SUFFIXES, ".xlsx", *json_lines.SUFFIXES)


@dataclass(frozen=True)
class Row:
    """One row: its line in the file (of a sheet: its row), the values by column, and why it cannot be read, if so."""

    number: int
    values: dict[str, Any]
    problem: str = ""


class Rows(Protocol):
    """A table that can be walked through more than once."""

    columns: list[str]
    #: What a place in the file is called: "line" or "row".
    word: str
    count: int
    #: How the file was read, in sentences.
    notes: list[str]

    def __iter__(self) -> Iterator[Row]: ...


def open_rows(path: Path, name: str, choice: Choice = AS_FOUND) -> Rows:
    """Raises PermanentError for whatever makes the file unreadable, or empty."""
    suffix = Path(name).suffix.lower()
    if not path.stat().st_size:
        raise PermanentError(f"{name} is empty. Expected a table with a header and rows.")
    rows: Rows = (
        TextRows(path, choice)
        if suffix in SUFFIXES
        else JsonRows(path)
        if suffix in json_lines.SUFFIXES
        else SheetRows(path, name, choice)
    )
    if not rows.count:
        raise PermanentError(f"{name} has no rows. Expected one for each job.")
    return rows


class TextRows:
    word = "line"

    def __init__(self, path: Path, choice: Choice):
        self._table = TextTable.open(path, choice)
        if doubt := self._table.in_doubt():
            raise PermanentError(f"Choose the table's encoding, so that no job gets gibberish. {doubt}.")
        self.notes = [f"Read as {self._table.how}."]
        self.columns = self._table.names
        self.count = sum(1 for _ in self._table.records()) - 1

    def __iter__(self) -> Iterator[Row]:
        records, width = self._table.records(), len(self.columns)
        next(records)
        for line, cells in records:
            if len(cells) == width:
                yield Row(line, dict(zip(self.columns, cells, strict=True)))
            else:
                yield Row(line, {}, f"Has {len(cells)} fields where the header has {width}.")


class JsonRows:
    word = "line"

    def __init__(self, path: Path):
        self._path = path
        self.notes: list[str] = []
        names: dict[str, None] = {}
        self.count = 0
        for _, value, _ in json_lines.objects(path):
            names.update(dict.fromkeys(value))
            self.count += 1
        self.columns = list(names)

    def __iter__(self) -> Iterator[Row]:
        for line, value, _ in json_lines.objects(self._path):
            yield Row(line, value)


class SheetRows:
    word = "row"

    def __init__(self, path: Path, name: str, choice: Choice):
        from jobs.kinds._tables.workbook import explained, open_sheet

        with explained(name):
            self._sheet = open_sheet(path, name, choice)
        self.notes = self._sheet.notes
        self.columns, self.count = self._sheet.frame.columns, self._sheet.frame.height

    def __iter__(self) -> Iterator[Row]:
        for index, cells in enumerate(self._sheet.frame.iter_rows()):
            wrong = ((column, no_value(cell)) for column, cell in zip(self.columns, cells, strict=True))
            problem = next((f"{column} holds {what}." for column, what in wrong if what), "")
            values = {} if problem else dict(zip(self.columns, cells, strict=True))
            yield Row(self._sheet.row_of(index), values, problem)
