"""A question put to a table: its columns found, its measures computed by group and by time."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from jobs.core.errors import PermanentError
from jobs.kinds._report import parsing
from jobs.kinds._report.choices import MEASURES, Question, find_column, no_column
from jobs.kinds._report.parsing import DATE, MOMENT, NUMBER, TIMES
from jobs.kinds._report.typed import Table, text_of

if TYPE_CHECKING:
    import polars as pl

_TRUNCATE = {"hour": "1h", "day": "1d", "week": "1w", "month": "1mo"}
#: Places that an error names.
NAMED = 5
_BUCKET, _MEASURED = "__bucket", "__measured"


@dataclass(frozen=True)
class Groups:
    """Measures by group. `frame` has one column per head: keys first, then measures."""

    keys: list[str]
    measures: list[str]
    frame: "pl.DataFrame"

    @property
    def heads(self) -> list[str]:
        return self.keys + self.measures


def settle(question: Question, table: Table) -> Question:
    """The question with every name a column of the table, and a date column where time is asked for.

    Raises PermanentError that lists the columns there are.
    """
    names = {"group_by": question.group_by, "measure": (question.measure,), "bucket_column": (question.bucket_column,)}
    found = {
        part: tuple(_column(name, table) for name in given if name)
        for part, given in names.items()
    }  # fmt: skip
    measure = "".join(found["measure"])
    time = "".join(found["bucket_column"])
    if question.bucket and not time:
        time = _only_time(table)
    return replace(question, group_by=found["group_by"], measure=measure, bucket_column=time if question.bucket else "")


def _column(name: str, table: Table) -> str:
    if found := find_column(name, table.columns):
        return found
    raise PermanentError(no_column(name, table.columns))


def _only_time(table: Table) -> str:
    times = [name for name, kind in table.types.items() if kind in TIMES]
    if not times:
        raise PermanentError("A time bucket needs a column with dates, and this table has none that is all dates.")
    if len(times) > 1 and "created" not in table.source.types:
        raise PermanentError(f"Name the date column for the time bucket. There are: {', '.join(times)}.")
    return "created" if "created" in table.source.types else times[0]


def prepared(question: Question, table: Table) -> tuple["pl.LazyFrame", dict[str, int]]:
    """The table with the measured value and the time bucket beside it, and how many values of each column were bad.

    Raises PermanentError where a column holds something else: the first such line and its value.
    """
    import polars as pl

    scan, bad = table.scan(), {}
    if question.measure:
        value, bad[question.measure] = _as(question.measure, (NUMBER,), "numbers", question, table)
        scan = scan.with_columns(
            value.cast(pl.Float64).alias(_MEASURED) if _is_decimal(table, question) else value.alias(_MEASURED)
        )
    if question.bucket:
        name = question.bucket_column
        value, bad[name] = _as(name, TIMES, "dates", question, table)
        is_date = table.types[name] == DATE or (name in table.likely and table.likely[name].type == DATE)
        if question.bucket == "hour" and is_date:
            raise PermanentError(
                f"{name} holds dates without a time of day: choose day, week or month instead of hour."
            )
        scan = scan.with_columns(value.dt.truncate(_TRUNCATE[question.bucket]).alias(_BUCKET))
    return scan, {name: count for name, count in bad.items() if count}


def _is_decimal(table: Table, question: Question) -> bool:
    return table.scan().collect_schema()[question.measure].is_float()


def _as(name: str, wanted: tuple[str, ...], word: str, question: Question, table: Table) -> tuple["pl.Expr", int]:
    """A column as values of the wanted type, and how many of its values are none."""
    import polars as pl

    if table.types[name] in wanted:
        return pl.col(name), 0
    parser = table.likely.get(name)
    if parser is None or parser.type not in wanted:
        fitting = [column for column, kind in table.types.items() if kind in wanted]
        there = f"Columns with {word}: {', '.join(fitting)}." if fitting else f"No column of this table holds {word}."
        raise PermanentError(f"{name} holds {_plural(table.types[name])}, not {word}. {there}")
    value = parser.read(pl.col(name))
    bad = (
        table.scan().with_row_index("__row").filter(pl.col(name).is_not_null() & value.is_null()).select("__row", name)
    )
    first = bad.head(NAMED).collect(engine="streaming")
    if first.height and not question.bad_as_missing:
        _, text = first.row(0)
        places = [f"{table.source.line_of(row):,}" for row in first["__row"]]
        line = f"{table.source.line_word.capitalize()} {places[0]}"
        also = f" (and in {table.source.line_word}s {', '.join(places[1:])})" if places[1:] else ""
        also = also if len(places) != 2 else also.replace(f"{table.source.line_word}s", table.source.line_word)
        raise PermanentError(
            f"{line}: {name} is {text[:60]!r}, where {word} are expected{also}. Correct it, "
            'or choose "Count them as missing" for values that do not fit.'
        )
    return value, bad.select(pl.len()).collect(engine="streaming").item()


def _plural(kind: str) -> str:
    return {MOMENT: "dates and times", DATE: "dates", NUMBER: "numbers", parsing.TEXT: "text"}.get(kind, kind)


def grouped(scan: "pl.LazyFrame", question: Question, by: tuple[str, ...], bucket: bool) -> Groups:
    """The question's measures by these columns, and by time bucket; biggest first, time in its order."""
    import polars as pl

    keys = ([_BUCKET] if bucket else []) + [f"k{n}" for n in range(len(by))]
    schema = scan.collect_schema()
    named = scan.with_columns(_key(name, schema).alias(f"k{n}") for n, name in enumerate(by))
    whole = bool(question.measure) and schema[_MEASURED].is_integer()
    measures = {f"m{n}": _measure(measure, whole) for n, measure in enumerate(question.measures)}
    frame = named.group_by(keys).agg(**measures) if keys else named.select(**measures)
    if keys:
        # Of groups as large as each other 9 comes before 10: numbers by their size.
        numbers = [n for n, name in enumerate(by) if schema[name].is_numeric()]
        order: list[tuple[pl.Expr, bool]] = [(pl.col(_BUCKET), False)] if bucket else []
        order.append((pl.col("m0"), True))
        order += [(pl.col(f"k{n}").cast(pl.Float64, strict=False), False) for n in numbers]
        order += [(pl.col(f"k{n}"), False) for n in range(len(by))]
        frame = frame.sort([key for key, _ in order], descending=[down for _, down in order], nulls_last=True)
    heads = ([f"{question.bucket_column} by {question.bucket}"] if bucket else []) + list(by)
    return Groups(
        heads, [measure_head(name, question.measure) for name in question.measures], frame.collect(engine="streaming")
    )


def _key(name: str, schema: "pl.Schema") -> "pl.Expr":
    """What rows are grouped by: of numbers the text that stands in the file, so that 1.1 and 1.10 are two versions and
    the year 2023 is shown as it is written."""
    import polars as pl

    if text_of(name) in schema:
        return pl.col(text_of(name))
    return pl.col(name).cast(pl.String).str.replace(r"\.0$", "") if schema[name].is_numeric() else pl.col(name)


def measure_head(measure: str, column: str) -> str:
    """Head of a measure's column: "rows", "sum of amount"."""
    if measure == "count":
        return "rows"
    return f"{measure} of {column}"


def _measure(measure: str, whole: bool) -> Any:
    """whole: the measured values are whole numbers."""
    import polars as pl

    value = pl.col(_MEASURED)
    match measure:
        case "sum" if whole:
            return value.cast(pl.Int128).sum()  # in the column's own type it would wrap unseen
        case "count":
            return pl.len()
        case "median":
            return value.quantile(0.5, "linear")
        case "p90" | "p95":
            return value.quantile(int(measure[1:]) / 100, "linear")
        case "mean":
            return value.cast(pl.Float64).mean()
    if measure not in MEASURES:
        raise PermanentError(f"No measure {measure!r}: expected one of {', '.join(MEASURES)}.")
    return getattr(value, measure)()


def histogram(scan: "pl.LazyFrame", low: float, high: float, bars: int) -> list[tuple[float, float, int]]:
    """Rows by equal ranges of the measured value: (from, below, rows); outliers beyond low and high are left out.

    For whole numbers low and high are whole, and the ranges too: others would hold now one number more, now one less.
    """
    import polars as pl

    value = pl.col("__value")
    if isinstance(low, int) and isinstance(high, int):
        width: float = -(-(high - low + 1) // bars)
        bars = int(-(-(high - low + 1) // width))
        place = (value.cast(pl.Int128) - low) // width
    else:
        width = (high - low) / bars
        place = ((value - low) / width).floor().clip(0, bars - 1)
    inside = scan.filter(value.is_between(low, high))
    places = inside.group_by(place.cast(pl.Int32).alias("at")).agg(rows=pl.len())
    counts = dict(places.collect(engine="streaming").iter_rows())
    return [(low + at * width, low + (at + 1) * width, counts.get(at, 0)) for at in range(bars)]
