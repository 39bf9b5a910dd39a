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
    """Typed columns. The table engine turns a plain copy into Parquet piece by piece."""
    import polars as pl

    copy = target.with_suffix(".copy")
    with copy.open("w", encoding="utf-8", newline="") as file:
        writer, count = csv.writer(file), 0
        for count, row in enumerate(rows, start=1):  # noqa: B007
            writer.writerow([_micros(value) for value in row])
    plain: dict[type, Any] = {str: pl.String, int: pl.Int64, float: pl.Float64, dt.datetime: pl.Int64}
    scan = pl.scan_csv(
        copy,
        has_header=False,
        schema={name: plain[kind] for name, kind in COLUMNS.items()},
        raise_if_empty=False,
    )
    moments = [name for name, kind in COLUMNS.items() if kind is dt.datetime]
    scan.with_columns(pl.col(pl.String).fill_null(""), pl.col(moments).cast(pl.Datetime("us", "UTC"))).sink_parquet(
        target
    )
    copy.unlink()
    return count


def _text(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return value


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def _micros(value: Any) -> Any:
    return (value - _EPOCH) // dt.timedelta(microseconds=1) if isinstance(value, dt.datetime) else value


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
