"""Every source as a table of texts or values, lazily scanned, with the way back to its lines."""

import datetime as dt
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.core.errors import PermanentError
from jobs.kinds._report import history
from jobs.kinds._report.parsing import MISSING, WRITTEN_MISSING
from jobs.kinds._tables import json_lines
from jobs.kinds._tables.choices import AS_FOUND, Choice
from jobs.kinds._tables.text import SUFFIXES, TextTable, names_of
from jobs.kinds._tables.workbook import explained, open_sheet

if TYPE_CHECKING:
    import polars as pl

MOST_COLUMNS = 1000
Report = Callable[[str, float], None]


@dataclass
class Source:
    """A table as it came: lazily scanned, with its columns' names, and the way back to its lines."""

    name: str
    scan: "pl.LazyFrame"
    #: Line (or row of the sheet) of row number n, from 0.
    line_of: Callable[[int], int]
    line_word: str = "line"
    notes: list[str] = field(default_factory=list)
    #: Of a text.
    delimiter: str = ""
    #: Types that are known beforehand (`history.COLUMNS`).
    types: dict[str, str] = field(default_factory=dict)
    #: Columns that the file itself calls texts: no number, whatever stands in them, unless one is asked for.
    texts: frozenset[str] = frozenset()
    #: Texts that stand for "no value".
    missing: tuple[str, ...] = MISSING
    #: Whether errors of a spreadsheet stand among its values: a column is then what the rest of them are.
    has_errors: bool = False


def from_file(path: Path, name: str, folder: Path, report: Report, choice: Choice = AS_FOUND) -> Source:
    """Open an uploaded table. `report` gets a text and the share done, 0 to 1.

    Raises PermanentError for whatever makes it unreadable, with the line.
    """
    suffix = Path(name).suffix.lower()
    if not path.stat().st_size:
        raise PermanentError(f"{name} is empty. Expected a table with a header and rows.")
    if suffix in SUFFIXES:
        return _from_text(path, name, folder, report, choice)
    if suffix in json_lines.SUFFIXES:
        return _from_json_lines(path, name, folder, report)
    report(f"Opening {name}", 0.1)
    with explained(name):
        return _from_parquet(path, name) if suffix == ".parquet" else _from_workbook(path, name, choice)


def from_jobs(owner: str, since: dt.datetime | None, until: dt.datetime | None, folder: Path, report: Report) -> Source:
    """The job history that `owner` may see."""
    target = folder / "jobs.csv"
    rows = history.write_jobs(
        target, owner, since, until, lambda done, total: report(f"Reading jobs: {done:,} of {total:,}", done / total)
    )
    if not rows:
        raise PermanentError("No jobs were submitted in this time. Choose an earlier start or a later end.")
    return Source(
        "Job history",
        _scan_copy(target, list(history.COLUMNS)),
        lambda index: index + 1,
        "job",
        notes=[history.NOTE],
        types=history.COLUMNS,
    )


def _scan_copy(path: Path, names: list[str]) -> "pl.LazyFrame":
    import polars as pl

    schema = dict.fromkeys(names, pl.String)
    return pl.scan_csv(path, has_header=False, schema=schema, missing_columns="insert", infer_schema=False)


def _from_text(path: Path, name: str, folder: Path, report: Report, choice: Choice) -> Source:
    text = TextTable.open(path, choice)
    _check_width(text.names)
    copy = folder / "copy.csv"
    size = max(1, path.stat().st_size * (0.5 if text.encoding.name.startswith("utf-16") else 1))
    rows = text.copy_rows(
        copy, lambda rows: report(f"Reading {name}: {rows:,} rows", min(1.0, copy.stat().st_size / size))
    )
    if not rows:
        raise PermanentError(f"{name} has a header ({', '.join(text.names[:20])}) but no rows below it.")
    notes = ["Empty or repeated column names were numbered."] if text.renamed else []
    notes.append(f"Read as {text.how}.")
    if doubt := text.in_doubt():
        notes.append(f"{doubt}. It was read as the first of these; another may be chosen.")
    return Source(name, _scan_copy(copy, text.names), text.line_of, notes=notes, delimiter=text.delimiter)


def _from_json_lines(path: Path, name: str, folder: Path, report: Report) -> Source:
    import csv

    places: dict[str, int] = {}
    lines: list[int] = []
    #: Keys with a value that is no text.
    untold: set[str] = set()
    copy, size = folder / "copy.csv", path.stat().st_size
    with copy.open("w", encoding="utf-8", newline="") as out:
        write = csv.writer(out).writerow
        for number, value, done in json_lines.objects(path):
            row = [""] * max(1, len(places))
            for key, item in value.items():
                if not (item is None or isinstance(item, str)):
                    untold.add(key)
                place = places.setdefault(key, len(places))
                row += [""] * (place + 1 - len(row))
                row[place] = _json_text(item)
            _check_width(places)
            write(row)
            lines.append(number)
            if not len(lines) % 20_000:
                report(f"Reading {name}: {len(lines):,} rows", min(1.0, done / size))
    if not places:
        raise PermanentError(f"{name} holds no values. Expected one JSON object per line.")
    names = names_of(places)
    texts = frozenset(column for column, key in zip(names, places, strict=True) if key not in untold)
    return Source(name, _scan_copy(copy, names), lines.__getitem__, texts=texts)


def _json_text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case dict() | list():
            return json.dumps(value, ensure_ascii=False)
    return str(value)


def _from_parquet(path: Path, name: str) -> Source:
    import polars as pl

    # Zones such as "+05:30" are in no database: without this the engine panics over them. Their times are instants,
    # stored as UTC, and read as those.
    os.environ.setdefault("POLARS_IGNORE_TIMEZONE_PARSE_ERROR", "1")
    scan = pl.scan_parquet(path)
    schema = scan.collect_schema()
    _check_width(schema.names())
    if late := _beyond_nanoseconds(scan, schema):
        scan = pl.scan_parquet(path, schema={**schema, **dict.fromkeys(late, pl.Datetime("us"))})
        schema = scan.collect_schema()
    if not scan.select(pl.len()).collect().item():
        raise PermanentError(f"{name} has columns ({', '.join(schema.names()[:20])}) but no rows.")
    left_out = [column for column, dtype in schema.items() if _is_binary(dtype)]
    notes = [f"Left out, because binary: {', '.join(left_out)}."] if left_out else []
    texts = frozenset(column for column, dtype in schema.items() if dtype in (pl.String, pl.Categorical, pl.Enum))
    return Source(name, scan.drop(left_out), lambda index: index + 1, "row", notes, texts=texts)


def _beyond_nanoseconds(scan: "pl.LazyFrame", schema: "pl.Schema") -> list[str]:
    """Columns with times outside of 1677 to 2262, such as Spark writes 9999-12-31 for "never" (INT96).

    The engine takes such columns for nanoseconds, which reach no further, and puts the last of these in their place.
    """
    import polars as pl

    names = [name for name, dtype in schema.items() if dtype == pl.Datetime("ns")]
    if not names:
        return []
    is_last = scan.select((pl.col(names).to_physical() == 2**63 - 1).any()).collect(engine="streaming")
    return [name for name in names if is_last[name].item()]


def _is_binary(dtype: "pl.DataType") -> bool:
    """Whether it is, or holds, what cannot be shown."""
    import polars as pl

    if isinstance(dtype, pl.List | pl.Array):
        return _is_binary(dtype.inner)  # type: ignore[arg-type]
    if isinstance(dtype, pl.Struct):
        return any(_is_binary(part.dtype) for part in dtype.fields)  # type: ignore[arg-type]
    return dtype in (pl.Binary, pl.Object)


def _from_workbook(path: Path, name: str, choice: Choice) -> Source:
    sheet = open_sheet(path, name, choice)
    _check_width(sheet.frame.columns)
    source = Source(name, sheet.frame.lazy(), sheet.row_of, "row", sheet.notes, texts=frozenset(sheet.texts))
    source.missing, source.has_errors = WRITTEN_MISSING, sheet.has_errors
    return source


def _check_width(names: Any) -> None:
    if len(names) > MOST_COLUMNS:
        raise PermanentError(
            f"The table has more than {MOST_COLUMNS:,} columns. Leave out those that the report needs not."
        )
