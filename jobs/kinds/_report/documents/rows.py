"""The tables of a report as rows of text, alike in every document for reading."""

from collections.abc import Sequence
from dataclasses import dataclass

from jobs.kinds._report import words
from jobs.kinds._report.grouping import Groups
from jobs.kinds._report.parsing import NUMBER
from jobs.kinds._report.profile import FIGURES, ColumnProfile
from jobs.kinds._report.story import Report


@dataclass(frozen=True)
class Listing:
    """A table of groups in words: `keys` of its heads name the group, the others are measures."""

    title: str
    heads: list[str]
    keys: int
    rows: list[list[str]]
    #: Says that it was cut, and where all of it is.
    note: str


def listings(report: Report, most: int, formats: Sequence[str]) -> list[Listing]:
    """The groups over all time and by time, each cut after `most`. formats: of all files, some of which have all."""
    found = []
    if report.overall:
        found.append(_listing(report.overall, "", most, [name for name in formats if name == "xlsx"]))
    if report.groups:
        full = [name for name in formats if name in ("xlsx", "csv")]
        found.append(_listing(report.groups, report.question.bucket, most, full))
    return found


def _listing(groups: Groups, bucket: str, most: int, full: Sequence[str]) -> Listing:
    keys = len(groups.keys)
    columns = []
    # Of groups by time the newest are worth most, of others the largest, which come first.
    shown = groups.frame.tail(most) if bucket else groups.frame.head(most)
    for at, series in enumerate(shown.iter_columns()):
        values = series.to_list()
        if at >= keys:
            columns.append(words.alike(values))
        else:
            columns.append([words.bucket(item, bucket) if bucket and not at else words.value(item) for item in values])
    note = ""
    if groups.frame.height > most:
        elsewhere = f", all in the {words.listed([name.upper() for name in full])}" if full else ""
        note = f"The {'newest' if bucket else 'first'} {most:,} of {groups.frame.height:,} groups{elsewhere}."
    return Listing(
        title=f"By {words.listed([bucket, *groups.keys[1:]] if bucket else groups.keys)}",
        heads=groups.heads,
        keys=keys,
        rows=[list(row) for row in zip(*columns, strict=True)],
        note=note,
    )


def column_rows(report: Report) -> list[list[str]]:
    """Column, type, missing, distinct, what is in it."""
    return [
        [
            words.value(column.name),
            column.type + (f" ({column.note})" if column.note else ""),
            words.share(column.missing, report.rows) if column.missing else "0",
            ("≈ " if column.estimated else "") + words.number(column.distinct),
            _content(column, report.rows),
        ]
        for column in report.profiles
    ]


def _content(column: ColumnProfile, rows: int) -> str:
    if column.missing == rows:
        return "nothing"
    if column.type == NUMBER or not column.top:
        if not column.figures:
            return "nearly all different" if column.distinct > 1 else ""
        return f"{words.value(column.figures['min'])} to {words.value(column.figures['max'])}"
    shown = ", ".join(f"{words.value(value, 32)} {words.share(count, rows)}" for value, count in column.top[:4])
    return shown + (", …" if column.distinct > 4 else "")


def number_rows(report: Report) -> list[list[str]]:
    """The figures of every number column."""
    return [
        [words.value(column.name), *words.alike([column.figures.get(part) for part in FIGURES])]
        for column in report.profiles
        if column.type == NUMBER and column.figures and not column.is_label
    ]
