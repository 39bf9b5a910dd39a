"""The first walk through a table: every row through the kind's own form, every error kept with its place."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django import forms

from jobs.core.errors import Refused
from jobs.core.fields import SecretField
from jobs.core.kind import Context, Kind
from jobs.kinds._import.rows import Row, Rows
from jobs.kinds._import.values import parameter
from jobs.kinds._tables.cells import harmless

#: Errors that the result shows; the file has all.
SHOWN = 20
#: Rows between two reports of progress.
EVERY = 100


@dataclass
class Reader:
    """Turns rows into parameters of a kind, as `jobs.submit` takes them."""

    kind: type[Kind]
    #: {column: parameter}
    columns: Mapping[str, str]
    fields: Mapping[str, forms.Field] = field(init=False)

    def __post_init__(self) -> None:
        self.fields = self.kind.Form().fields

    def params(self, row: Row) -> dict[str, Any]:
        """Raises Refused with the errors by parameter; "" stands for the row as a whole."""
        if row.problem:
            raise Refused({"": [row.problem]})
        params, errors = {}, {}
        for column, name in self.columns.items():
            try:
                value = parameter(self.fields[name], row.values.get(column))
            except ValueError as error:
                errors[name] = [str(error)]
                continue
            if value is not None:
                params[name] = value
        if errors:
            raise Refused(errors)
        return params

    def column_of(self, name: str) -> str:
        return next((column for column, fed in self.columns.items() if fed == name), "")


@dataclass
class Findings:
    """What is wrong: the numbers of the rows, and the first errors."""

    wrong: set[int] = field(default_factory=set)
    errors: int = 0
    first: list[dict[str, Any]] = field(default_factory=list)


def check(rows: Rows, reader: Reader, user: Any, target: Path, ctx: Context) -> Findings:
    """Validate every row; every error goes to `target` as CSV. Progress is told as the first half of the work."""
    found = Findings()
    with target.open("w", encoding="utf-8-sig", newline="") as file:
        write = csv.writer(file).writerow
        write([rows.word, "column", "parameter", "value", "error"])
        for done, row in enumerate(rows):
            if not done % EVERY:
                ctx.progress(done, rows.count * 2, f"checked, {len(found.wrong):,} wrong" if found.wrong else "checked")
            for name, text in _errors(row, reader, user):
                column = reader.column_of(name)
                found.wrong.add(row.number)
                found.errors += 1
                write([row.number, harmless(column), name, harmless(_shown(row, column, name, reader)), text])
                if len(found.first) < SHOWN:
                    found.first.append({rows.word: row.number, "column": column or name, "error": text})
    return found


def _errors(row: Row, reader: Reader, user: Any) -> Iterator[tuple[str, str]]:
    from jobs.submit.validate import bind, cleaned

    try:
        cleaned(bind(reader.kind, reader.params(row), None, user))
    except Refused as refused:
        for name, texts in refused.errors.items():
            yield "" if name == "__all__" else name, " ".join(texts)


def _shown(row: Row, column: str, name: str, reader: Reader) -> str:
    """The wrong value, cut; never a secret."""
    value = row.values.get(column)
    return "" if value is None or isinstance(reader.fields.get(name), SecretField) else str(value)[:200]
