"""XLSX and CSV: all groups, all figures; whatever looks like a formula is text."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.kinds._report import words
from jobs.kinds._report.choices import Question
from jobs.kinds._report.grouping import Groups
from jobs.kinds._report.profile import FIGURES
from jobs.kinds._report.story import Report
from jobs.kinds._tables.cells import (
    BOOK_OPTIONS,
    LONGEST_CELL,
    MOST_ROWS,
    NUMBER_FORMATS,
    harmless,
    plain,
    write_cell,
)

if TYPE_CHECKING:
    import polars as pl

PROFILE_HEAD = ["column", "type", "missing", "distinct", *FIGURES, "most frequent"]


def profile_rows(report: Report) -> list[list[Any]]:
    """The column profile with unrounded figures."""
    return [
        [
            column.name, column.type, column.missing, column.distinct,
            *(column.figures.get(part) for part in FIGURES),
            "; ".join(f"{words.value(value)} ({count})" for value, count in column.top),
        ]
        for column in report.profiles
    ]  # fmt: skip


def _as_asked(groups: Groups, question: Question) -> tuple[list[str], "pl.DataFrame"]:
    """The heads and the groups with their measures in the order in which they were asked for."""
    keys, order = len(groups.keys), [question.measures.index(name) for name in question.columns]
    names = groups.frame.columns
    heads = groups.keys + [groups.measures[at] for at in order]
    return heads, groups.frame.select(names[:keys] + [names[keys + at] for at in order])


def write_csv(report: Report, path: Path) -> None:
    """The groups, or the column profile where nothing was asked; UTF-8 with a mark, so that Excel reads it right."""
    head: list[str] = PROFILE_HEAD
    rows: Iterable[Iterable[Any]] = profile_rows(report)
    if report.groups:
        head, frame = _as_asked(report.groups, report.question)
        rows = frame.iter_rows()
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(map(harmless, head))
        writer.writerows([harmless(plain(value)) for value in row] for row in rows)


def write_xlsx(report: Report, path: Path) -> None:
    """Sheets: Summary, Groups (where asked), Columns, Frequent values."""
    import xlsxwriter

    with xlsxwriter.Workbook(path, BOOK_OPTIONS) as book:
        book.set_properties({"title": report.title[:255]})
        _summary(book, report)
        if report.groups:
            heads, frame = _as_asked(report.groups, report.question)
            _table(book, "Groups", heads, frame.iter_rows(), frame.height)
        if report.overall:
            heads, frame = _as_asked(report.overall, report.question)
            _table(book, "Groups over all time", heads, frame.iter_rows(), frame.height)
        _table(book, "Columns", PROFILE_HEAD, profile_rows(report), len(report.profiles))
        top = [(column.name, value, count) for column in report.profiles for value, count in column.top]
        _table(book, "Frequent values", ["column", "value", "rows"], top, len(top))


def _summary(book: Any, report: Report) -> None:
    sheet = book.add_worksheet("Summary")
    sheet.hide_gridlines(2)
    sheet.set_column(0, 0, 24)
    sheet.set_column(1, 1, 90)
    bold, wrap = book.add_format({"bold": True, "font_size": 14}), book.add_format({"text_wrap": True, "valign": "top"})
    soft = book.add_format({"font_color": "#61656c", "valign": "top"})
    sheet.write_string(0, 0, report.title, bold)
    lines = [("Source", report.source), ("Period", report.period), ("Made", report.made), ("Summary", report.summary)]
    lines += report.figures + [("Note", note) for note in report.notes]
    for at, (name, text) in enumerate([line for line in lines if line[1]], start=2):
        sheet.write_string(at, 0, name, soft)
        sheet.write_string(at, 1, text, wrap)


def _table(book: Any, name: str, head: Iterable[str], rows: Iterable[Iterable[Any]], count: int) -> None:
    """A sheet with a frozen head and a filter; rows beyond Excel's limit are in the CSV only, as the last row says."""
    sheet, head = book.add_worksheet(name), list(head)
    heading = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
    formats = {kind: book.add_format({"num_format": form}) for kind, form in NUMBER_FORMATS.items()}
    sheet.freeze_panes(1, 0)
    for at, text in enumerate(head):
        sheet.set_column(at, at, min(40, max(12, len(text) + 2)))
        sheet.write_string(0, at, text[:LONGEST_CELL], heading)
    for at, row in enumerate(rows, start=1):
        if at == MOST_ROWS - 1 and count >= MOST_ROWS:
            sheet.write_string(at, 0, f"{count - at + 1:,} more rows do not fit a sheet; choose CSV for all of them.")
            break
        for place, value in enumerate(row):
            write_cell(sheet, at, place, value, formats)
    if count:
        sheet.autofilter(0, 0, min(count, MOST_ROWS - 1), len(head) - 1)
