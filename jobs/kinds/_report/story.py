"""What a report says: the key figures and the paragraph at its head, from what was found."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from jobs.kinds._report import words
from jobs.kinds._report.charts import Chart
from jobs.kinds._report.choices import Question
from jobs.kinds._report.figures import ADDITIVE, cut_off
from jobs.kinds._report.grouping import Groups
from jobs.kinds._report.parsing import TIMES
from jobs.kinds._report.profile import ColumnProfile
from jobs.kinds._report.typed import Table

_VERBS = {"sum": "adds up to", "mean": "is on average", "median": "has a median of"}


@dataclass
class Report:
    """Everything that the documents show. `groups` is None where nothing was asked."""

    title: str
    source: str
    period: str
    made: str
    rows: int
    figures: list[tuple[str, str]]
    summary: str
    profiles: list[ColumnProfile]
    question: Question
    groups: Groups | None = None
    #: The groups over all time, where `groups` has them by time as well.
    overall: Groups | None = None
    charts: list[Chart] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def period(profiles: list[ColumnProfile], question: Question) -> str:
    """The time that the rows are from: the bucket's column, else the first date column; "" without one."""
    times = [column for column in profiles if column.type in TIMES and column.figures]
    times.sort(key=lambda column: column.name != question.bucket_column)
    if not times:
        return ""
    first, last = (words.day(times[0].figures[part]) for part in ("min", "max"))
    return first if first == last else f"{first} to {last}"


def measured(profiles: list[ColumnProfile], name: str) -> ColumnProfile | None:
    return next((column for column in profiles if column.name == name), None)


def key_figures(
    table: Table, question: Question, profiles: list[ColumnProfile], totals: dict[str, Any], groups: Groups | None
) -> list[tuple[str, str]]:
    """Four or so figures with their names, the most asked for first."""
    figures = [("Rows", words.number(table.rows))]
    if groups and groups.keys:
        figures.append(("Groups", words.number(groups.frame.height)))
    else:
        figures.append(("Columns", words.number(len(table.columns))))
        gaps = sum(column.missing for column in profiles)
        figures.append(("Missing values", words.share(gaps, table.rows * len(table.columns)) if gaps else "none"))
    for measure, value in totals.items():
        if measure != "count":
            figures.append((f"{measure.capitalize()} of {question.measure}", words.large(value)))
    return figures[:6]


def summary(
    table: Table, question: Question, profiles: list[ColumnProfile], totals: dict[str, Any],
    by_group: Groups | None, by_time: Groups | None,
) -> str:  # fmt: skip
    """One paragraph that says what there is and what stands out."""
    when = period(profiles, question)
    size = f"{words.many(table.rows, 'row')} in {words.many(len(table.columns), 'column')}"
    said = [f"{table.source.name} holds {size}{f', dated {when}' if when else ''}."]
    if question.measure:
        said.append(_measured(question, totals, profiles))
    if by_group and by_group.frame.height > 1:
        said.append(_leader(by_group, question))
    if by_time and by_time.frame.height > 2:
        said.append(_peak(by_time, question, profiles))
    if not by_group and not by_time:
        said += _notable(profiles, table.rows)
    return " ".join(filter(None, said))


def _measured(question: Question, totals: dict[str, Any], profiles: list[ColumnProfile]) -> str:
    parts = [f"{_VERBS[name]} {words.large(totals[name])}" for name in _VERBS if name in totals]
    if "p95" in totals:
        parts.append(f"stays at or below {words.large(totals['p95'])} in 95% of the rows")
    if not parts:
        column = measured(profiles, question.measure)
        if column is None or not column.figures:
            return ""
        parts = [f"runs from {words.large(column.figures['min'])} to {words.large(column.figures['max'])}"]
    return f"“{question.measure}” {words.listed(parts)}."


def _leader(groups: Groups, question: Question) -> str:
    values = [float(value) for value in groups.frame["m0"].drop_nulls()]
    if not values:
        return ""
    first = groups.frame.row(0)
    name = " · ".join(words.value(value) for value in first[: len(groups.keys)])
    of = f"Of {words.many(groups.frame.height, 'group')} by {words.listed(groups.keys)}, {name} comes first with"
    whole = sum(values)
    if question.measures[0] in ADDITIVE and min(values) >= 0 and whole:
        top = words.share(sum(values[:3]), whole)
        rest = f"; the first three make up {top}" if len(values) > 4 else ""
        unit = "rows" if question.measures[0] == "count" else f"of “{question.measure}”"
        return f"{of} {words.large(values[0])} {unit}, {words.share(values[0], whole)} of all{rest}."
    last = " · ".join(words.value(value) for value in groups.frame.row(len(values) - 1)[: len(groups.keys)])
    return f"{of} {words.large(values[0])} ({groups.measures[0]}), {last} last with {words.large(values[-1])}."


def _peak(times: Groups, question: Question, profiles: list[ColumnProfile]) -> str:
    import polars as pl

    known = times.frame.filter(pl.col("__bucket").is_not_null() & pl.col("m0").is_not_null())
    if known.height < 3:
        return ""
    # What adds up in a week that is cut off is no lowest week.
    partial = cut_off(known, question, profiles) if question.measures[0] in ADDITIVE else []
    whole = known.filter(~pl.col("__bucket").is_in(partial)) if partial else known
    if whole.height < 2:
        return ""
    high, low = known.row(known["m0"].arg_max()), whole.row(whole["m0"].arg_min())
    if high[1] == low[1]:
        return ""
    best, worst = (_named(row[0], question.bucket) for row in (high, low))
    return (
        f"The highest {question.bucket} was {best} ({times.measures[0]} {words.large(high[1])}), "
        f"the lowest {worst} ({words.large(low[1])})."
    )


def _named(start: Any, size: str) -> str:
    return words.bucket(start, size).replace("week of", "that of")


def _notable(profiles: list[ColumnProfile], rows: int) -> list[str]:
    said = []
    missing = [column for column in profiles if column.missing]
    if missing:
        worst = max(missing, key=lambda column: column.missing)
        said.append(
            f"{words.many(len(missing), 'column has', 'columns have')} missing values, "
            f"most of all “{worst.name}” ({words.share(worst.missing, rows)})."
        )
    else:
        said.append("No value is missing.")
    unique = [column.name for column in profiles if column.distinct == rows and not column.estimated and rows > 1]
    if unique:
        names = words.listed([f"“{name}”" for name in unique[:3]])
        said.append(f"{names} {'tells' if len(unique) == 1 else 'tell'} every row apart.")
    return said


def made_now(zone: str) -> str:
    from zoneinfo import ZoneInfo

    now = dt.datetime.now(ZoneInfo(zone))
    return f"{words.day(now)}, {now:%H:%M} {now:%Z}"
