"""Which charts tell most about a table and a question, and what they show."""

import math
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from jobs.kinds._report import charts, words
from jobs.kinds._report.charts import Chart
from jobs.kinds._report.choices import Question
from jobs.kinds._report.grouping import Groups, grouped, histogram
from jobs.kinds._report.parsing import BOOLEAN, MOMENT, NUMBER, TEXT, TIMES
from jobs.kinds._report.profile import ColumnProfile
from jobs.kinds._report.typed import Table

if TYPE_CHECKING:
    import polars as pl

MOST_BARS = 15
MOST_MULTIPLES = 6
MOST_POINTS = 3000
RANGES = 40
MISSING = "(missing)"
#: Measures whose parts add up, so that a share of the whole means something.
ADDITIVE = ("count", "sum")


def asked(
    groups: Groups,
    by_group: Groups | None,
    by_time: Groups | None,
    question: Question,
    profiles: list[ColumnProfile],
) -> list[Chart]:
    """The charts of a question: over time, by group, and the biggest groups over time."""
    measure = groups.measures[0]
    found = []
    if by_time and by_time.frame.height > 1:
        ends = [words.bucket(start, question.bucket) for start in cut_off(by_time.frame, question, profiles)]
        note = f"Not whole, since the data begin or end within: {words.listed(ends)}." if ends else ""
        drawn = charts.over_time(_timeline(by_time.frame, question))
        found.append(Chart(f"{_head(measure)} by {question.bucket}", drawn, note))
    if by_group and by_group.frame.height > 1:
        found.append(_by_group(by_group, question))
    if by_time and by_group and by_group.frame.height > 1 and by_time.frame.height > 2:
        found.append(_multiples(groups, by_group, by_time, question))
    return found


def _by_group(groups: Groups, question: Question) -> Chart:
    measure = groups.measures[0]
    values: list[float] = [value or 0.0 for value in groups.frame["m0"]]
    rows = [(_name(row, groups), row[len(groups.keys)]) for row in groups.frame.head(MOST_BARS).iter_rows()]
    shown = [(name, float(value)) for name, value in rows if value is not None] or [(MISSING, 0.0)]
    rest, note = groups.frame.height - MOST_BARS, ""
    if rest > 0:
        note = f"The first {MOST_BARS} of {groups.frame.height:,} groups"
        whole: float = sum(values)
        if question.measures[0] in ADDITIVE and min(values) >= 0 and whole:
            others = sum(values[MOST_BARS:])
            note += f"; the others add up to {words.large(others)}, {words.share(others, whole)} of all"
    title = f"{_head(measure)} by {words.listed(groups.keys)}"
    return Chart(title, charts.bars(shown, muted=(MISSING,)), note and note + ".")


def _multiples(groups: Groups, by_group: Groups, by_time: Groups, question: Question) -> Chart:
    import polars as pl

    keys = [f"k{n}" for n in range(len(by_group.keys))]
    times = _buckets(by_time.frame["__bucket"].drop_nulls().to_list(), question.bucket)
    series = []
    for row in by_group.frame.head(MOST_MULTIPLES).iter_rows():
        match = pl.all_horizontal(pl.col(key).eq_missing(pl.lit(value)) for key, value in zip(keys, row, strict=False))
        part = groups.frame.filter(match)
        series.append((_name(row, by_group), _points(part, times, question)))
    which = f"the {len(series)} largest groups" if by_group.frame.height > len(series) else "each group"
    title = f"{_head(groups.measures[0])} by {question.bucket}, {which}"
    return Chart(title, charts.multiples(series), "All on the same scale; the figure is the highest.")


def cut_off(frame: "pl.DataFrame", question: Question, profiles: list[ColumnProfile]) -> list[Any]:
    """The first and the last bucket, where the data begin or end within: what adds up in them is no week or month."""
    column = next((column for column in profiles if column.name == question.bucket_column), None)
    starts = frame["__bucket"].drop_nulls().to_list()
    if column is None or not column.figures or not starts or question.bucket not in ("week", "month"):
        return []
    first, last = (_day(column.figures[part]) for part in ("min", "max"))
    found = [min(starts)] if first > _day(min(starts)) else []
    # Of the last day of all, 9999-12-31, there is no next one.
    if last < date.max and _day(last + timedelta(days=1)) < _day(_after(max(starts), question.bucket)):
        found.append(max(starts))
    return list(dict.fromkeys(found))


def _day(time: date) -> date:
    return time.date() if isinstance(time, datetime) else time


def _timeline(frame: "pl.DataFrame", question: Question) -> list[tuple[str, float | None]]:
    return _points(frame, _buckets(frame["__bucket"].drop_nulls().to_list(), question.bucket), question)


def _points(frame: "pl.DataFrame", times: list[Any], question: Question) -> list[tuple[str, float | None]]:
    """A value for every bucket: 0 where nothing is to be added up, else a gap."""
    values = dict(zip(frame["__bucket"], frame["m0"], strict=True))
    nothing = 0.0 if question.measures[0] in ADDITIVE else None
    points = []
    for time in times:
        value = values.get(time)
        label = words.bucket(time, question.bucket).removeprefix("week of ")
        points.append((label, nothing if value is None else float(value)))
    return points


def _buckets(times: list[Any], size: str) -> list[Any]:
    """Every bucket from the first to the last, also those without rows, unless there are too many to draw."""
    if not times:
        return []
    filled, last = [min(times)], max(times)
    while filled[-1] < last and len(filled) <= MOST_POINTS:  # none after the last: 9999-12-31 has no next day
        filled.append(_after(filled[-1], size))
    return filled if len(filled) <= MOST_POINTS else sorted(times)


def _after(start: Any, size: str) -> Any:
    if size == "month":
        return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    return start + {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}[size]


def telling(table: Table, profiles: list[ColumnProfile]) -> list[Chart]:
    """Charts for a table that nothing was asked of: rows over time, and the values of the clearest category."""
    found = []
    times = [column for column in profiles if column.type in TIMES and column.figures]
    if times and (chart := _rows_over_time(table, times[0])):
        found.append(chart)
    categories = [
        column for column in profiles if column.type in (TEXT, BOOLEAN) and column.top and column.distinct > 1
    ]
    if categories:
        column = min(
            categories, key=lambda column: (column.distinct > MOST_BARS * 2, column.missing, abs(column.distinct - 6))
        )
        found.append(_top_values(column, table.rows))
    return found


def _rows_over_time(table: Table, column: ColumnProfile) -> Chart | None:
    size = bucket_for(column.figures["min"], column.figures["max"], column.type == MOMENT)
    if size is None:
        return None
    import polars as pl

    question = Question(measures=("count",), bucket=size, bucket_column=column.name)
    every = {"hour": "1h", "day": "1d", "week": "1w", "month": "1mo"}[size]
    scan = table.scan().select(__bucket=pl.col(column.name).dt.truncate(every))
    rows = grouped(scan, question, (), bucket=True)
    return Chart(f"Rows by {size} of {column.name}", charts.over_time(_timeline(rows.frame, question)))


def bucket_for(first: date, last: date, has_clock: bool) -> str | None:
    """The bucket that cuts a time span into some dozens; None where there is no span."""
    if first == last:
        return None
    days = (last - first).days if isinstance(first, datetime) else (last - first).days + 1
    if days <= 3 and has_clock:
        return "hour"
    return "day" if days <= 120 else "week" if days <= 400 else "month"


def _top_values(column: ColumnProfile, rows: int) -> Chart:
    shown = [(words.value(value), float(count)) for value, count in column.top]
    other = rows - column.missing - sum(count for _, count in column.top)
    note = ""
    if other:
        note = f"The {len(shown)} most frequent of {column.distinct:,}; the others make up {words.share(other, rows)}."
    if column.missing:
        shown.append((MISSING, float(column.missing)))
    return Chart(f"Rows by {column.name}", charts.bars(shown, muted=(MISSING,)), note)


def spread(scan: "pl.LazyFrame", question: Question, profiles: list[ColumnProfile]) -> Chart | None:
    """How the measured values are spread, or without a measure those of the first column that holds measurements.

    Far outliers are cut off, and the note says so; None where there is nothing to see.
    """
    import polars as pl

    numbers = [
        column
        for column in profiles
        if column.type == NUMBER and column.figures and not column.is_label and column.distinct > RANGES // 4
    ]
    if question.measure:
        numbers = [column for column in numbers if column.name == question.measure]
    else:
        numbers = [column for column in numbers if not _counts_up(column)]
    if not numbers:
        return None
    column = numbers[0]
    low, high, p25, p75 = (column.figures[part] for part in ("min", "max", "p25", "p75"))
    reach = 4 * (p75 - p25)
    edges = (max(low, p25 - reach), min(high, p75 + reach)) if reach else (low, high)
    if isinstance(low, int):
        edges = math.ceil(edges[0]), math.floor(edges[1])
    counts = histogram(scan.select(__value=pl.col(column.name)), *edges, RANGES)
    cut = [f"below {words.number(edges[0])}" for _ in [0] if edges[0] > low] + [
        f"above {words.number(edges[1])}" for _ in [0] if edges[1] < high
    ]
    ends = [f"the lowest is {words.number(low)}" for _ in [0] if edges[0] > low] + [
        f"the highest is {words.number(high)}" for _ in [0] if edges[1] < high
    ]
    note = f"Values {' and '.join(cut)} are not drawn; {' and '.join(ends)}." if cut else ""
    return Chart(f"How {column.name} is spread (rows by value)", charts.ranges(counts), note)


def _counts_up(column: ColumnProfile) -> bool:
    """Whether a column is most likely a running number: whole, never twice, without gaps to speak of."""
    low, high = column.figures["min"], column.figures["max"]
    return isinstance(low, int) and high - low < column.distinct * 1.1


def _name(row: tuple[Any, ...], groups: Groups) -> str:
    return " · ".join(words.value(value) for value in row[: len(groups.keys)])


def _head(measure: str) -> str:
    return measure[:1].upper() + measure[1:]
