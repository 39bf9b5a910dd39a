"""One writer for each format: takes rows as they come, and keeps none of them."""

import csv
import datetime as dt
import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from jobs.kinds._export.columns import COLUMNS
from jobs.kinds._tables import cells

Rows = Iterable[list[Any]]
#: Rows of a group in a Parquet file, which is what its readers take at a time; and of a part on the way to it.
GROUP, PART = 50_000, 10_000


class Writer(Protocol):
    """Writes rows into a file; answers how many it took."""

    def __call__(self, rows: Rows, target: Path) -> int: ...


def write_csv(rows: Rows, target: Path) -> int:
    """UTF-8 with a mark, so that Excel reads it right; no text runs as a formula."""
    with target.open("w", encoding="utf-8-sig", newline="") as file:
        writer, count = csv.writer(file), 0
        writer.writerow(COLUMNS)
        for count, row in enumerate(rows, start=1):  # noqa: B007
            writer.writerow([cells.harmless(_text(value)) for value in row])
    return count


def write_jsonl(rows: Rows, target: Path) -> int:
    with target.open("w", encoding="utf-8") as file:
        count = 0
        for count, row in enumerate(rows, start=1):  # noqa: B007
            pairs = zip(COLUMNS, map(_text, row), strict=True)
            file.write(json.dumps(dict(pairs), ensure_ascii=False) + "\n")
    return count


def write_xlsx(rows: Rows, target: Path) -> int:
    """One sheet. Excel's limit ends it: at most `cells.MOST_ROWS - 1` rows are taken."""
    import xlsxwriter

    with xlsxwriter.Workbook(target, {**cells.BOOK_OPTIONS, "remove_timezone": True}) as book:
        sheet = book.add_worksheet("Jobs")
        heading = book.add_format({"bold": True, "bottom": 1})
        formats = {kind: book.add_format({"num_format": form}) for kind, form in cells.NUMBER_FORMATS.items()}
        formats[dt.datetime] = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        sheet.freeze_panes(1, 0)
        for place, (name, kind) in enumerate(COLUMNS.items()):
            sheet.set_column(place, place, 20 if kind is dt.datetime else 14)
            sheet.write_string(0, place, f"{name} (UTC)" if kind is dt.datetime else name, heading)
        count = 0
        for count, row in enumerate(islice(rows, cells.MOST_ROWS - 1), start=1):
            for place, value in enumerate(row):
                cells.write_cell(sheet, count, place, value, formats)
        sheet.autofilter(0, 0, count, len(COLUMNS) - 1)
    return count


def write_parquet(rows: Rows, target: Path) -> int:
    """Typed columns, in groups of GROUP rows.

    Written in parts first: the table engine would ask for rows in a thread of its own, where neither the database nor
    cancelling reaches; and what it is left to read and write by itself, it takes into memory by the hundred megabytes.
    """
    import polars as pl
    from polars.io.plugins import register_io_source

    types: dict[type, Any] = {str: pl.String, int: pl.Int64, float: pl.Float64, dt.datetime: pl.Datetime("us", "UTC")}
    schema = {name: types[kind] for name, kind in COLUMNS.items()}
    parts: list[Path] = []
    count, source = 0, iter(rows)
    while part := list(islice(source, PART)):
        parts.append(target.with_suffix(f".{len(parts)}"))
        pl.DataFrame(part, schema, orient="row").write_parquet(parts[-1])
        count += len(part)

    def again(*_: Any) -> Iterator[pl.DataFrame]:
        yield pl.DataFrame(schema=schema)
        for path in parts:
            yield pl.read_parquet(path)
            path.unlink()

    register_io_source(again, schema=schema).sink_parquet(target, row_group_size=GROUP)
    return count


def _text(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


#: Format: its writer, what people read, its content type.
FORMATS: dict[str, tuple[Writer, str, str]] = {
    "csv": (write_csv, "CSV", "text/csv"),
    "jsonl": (write_jsonl, "JSON Lines", "application/x-ndjson"),
    "xlsx": (write_xlsx, "XLSX", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    "parquet": (write_parquet, "Parquet", "application/vnd.apache.parquet"),
}


def counted(rows: Rows, tell: Any, every: int = 500) -> Iterator[list[Any]]:
    """The rows as they are; `tell` gets their number now and then."""
    for number, row in enumerate(rows):
        if not number % every:
            tell(number)
        yield row
