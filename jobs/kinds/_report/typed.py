"""What each column holds, found from all of its values; the table typed, as a Parquet file that questions scan."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.kinds._report import parsing
from jobs.kinds._report.choices import find_column
from jobs.kinds._report.parsing import BOOLEAN, DATE, MOMENT, NUMBER, TEXT, TIME, Parser
from jobs.kinds._report.tables import Report, Source
from jobs.kinds._tables.workbook import explained

if TYPE_CHECKING:
    import polars as pl

#: Values per column that decide how it may be read; all of them decide how it is.
SAMPLE = 1000


@dataclass
class Table:
    """A typed table. `types` by column, in order; `likely` parsers of text columns that mostly hold something else."""

    source: Source
    path: Path
    types: dict[str, str]
    rows: int
    likely: dict[str, Parser]

    @property
    def columns(self) -> list[str]:
        return list(self.types)

    def scan(self) -> "pl.LazyFrame":
        import polars as pl

        return pl.scan_parquet(self.path)


def typed(source: Source, folder: Path, zone: str, report: Report, keys: Sequence[str] = ()) -> Table:
    """Find out what each column is, and write the table typed. `report` as in `from_file`.

    keys: columns that rows are grouped by. Of numbers the text is kept beside them: versions 1.1 and 1.10 are two.
    """
    import polars as pl

    with explained(source.name):
        scan = _plain(source, zone)
        schema = scan.collect_schema()
        texts = [name for name, dtype in schema.items() if dtype == pl.String]
        report("Finding types", 0)
        likely = _readings(scan, texts, source, zone)
        report("Writing the typed table", 0.5)
        exact = {name: parser for name, (parser, is_all) in likely.items() if is_all}
        path = folder / "table.parquet"
        columns = [
            exact[name].read(parsing.clean(name, source.missing)).alias(name) if name in exact
            else parsing.clean(name, source.missing).alias(name) if name in texts
            else pl.col(name)
            for name in schema.names()
        ]  # fmt: skip
        wanted = {find_column(name, schema.names()) for name in keys}
        columns += [
            parsing.clean(name, source.missing).alias(text_of(name))
            for name in schema.names()
            if name in wanted and name in exact and exact[name].type == NUMBER
        ]
        scan.select(columns).sink_parquet(path, compression="lz4", row_group_size=100_000)
    types = {name: exact[name].type if name in exact else _type_of(dtype) for name, dtype in schema.items()}
    for name, parser in exact.items():
        if parser.note:
            source.notes.append(f"{name}: {parser.note}.")
    rows = pl.scan_parquet(path).select(pl.len()).collect().item()
    mostly = {name: parser for name, (parser, is_all) in likely.items() if not is_all}
    return Table(source, path, types, rows, mostly)


def text_of(name: str) -> str:
    """The column beside a number's that holds its text."""
    return f"__text {name}"


def _plain(source: Source, zone: str) -> "pl.LazyFrame":
    """Every column as one of: text, number, yes/no, date, time of day, date and time without zone."""
    import polars as pl

    scan, columns = source.scan, []
    for name, dtype in scan.collect_schema().items():
        column = pl.col(name)
        if dtype in (pl.Categorical, pl.Enum, pl.Null):
            column = column.cast(pl.String)
        elif dtype == pl.Decimal:
            column = column.cast(pl.Float64)
        elif dtype == pl.Duration:
            source.notes.append(f"{name}: durations, in seconds.")
            column = column.dt.total_microseconds() / 1e6
        elif isinstance(dtype, pl.Datetime):
            column = (parsing.local(column, zone) if dtype.time_zone else column).cast(pl.Datetime("us"))
        elif dtype.is_nested():
            # Only a struct can be written as JSON; what is around its only field is taken off again.
            wrapped = pl.struct(column.alias("v")).struct.json_encode()
            column = pl.when(column.is_not_null()).then(wrapped.str.strip_prefix('{"v":').str.strip_suffix("}"))
        elif dtype.is_float():
            column = pl.when(column.is_finite()).then(column)
        columns.append(column.alias(name))
    return scan.select(columns)


def _readings(scan: "pl.LazyFrame", texts: list[str], source: Source, zone: str) -> dict[str, tuple[Parser, bool]]:
    """For each text column that is mostly something else: its parser, and whether it is to be read so.

    It is not where a value does not fit, nor where the file itself says that numbers are texts.
    """
    if not texts:
        return {}
    known = parsing.parsers(zone, source.delimiter)
    tried = {name: _fitting(_sample(scan, name, source), known, source) for name in texts}
    # Most columns are what their sample says, so the others are tried only where its reading does not fit all.
    found = _counted(scan, {name: best for name, (best, _) in tried.items() if best}, source)
    doubtful = [name for name, counts in found.items() if counts.most < counts.values]
    found |= _counted(scan, {name: tried[name][1] for name in doubtful}, source)
    found = {name: counts for name, counts in found.items() if counts.most >= _least(source, counts.values)}
    settled = Counter(sign for counts in found.values() if (sign := counts.sign))
    readings = {}
    for name, counts in found.items():
        parser = counts.best(settled)
        is_told = name in source.texts and parser.type == NUMBER
        readings[name] = parser, counts.most == counts.values and not is_told
    return readings


def _least(source: Source, values: int) -> float:
    """Of so many values, how many have to fit a parser."""
    return 1 if source.has_errors else max(1, parsing.MOST * values)


@dataclass(frozen=True)
class _Counts:
    """How many values a column has, and how many of them each parser fits, the stricter first."""

    values: int
    fits: dict[Parser, int]

    @property
    def most(self) -> int:
        return max(self.fits.values())

    @property
    def ways(self) -> list[Parser]:
        """The parsers that fit most, the strictest for each sign: one, where the column itself tells which it is."""
        ways: dict[str, Parser] = {}
        for parser, fits in self.fits.items():
            if fits == self.most:
                ways.setdefault(parser.sign, parser)
        return [ways[""]] if "" in ways else list(ways.values())

    @property
    def sign(self) -> str:
        """What the column says of the whole file, "" where it can be read either way."""
        signs = {parser.sign for parser in self.ways}
        return signs.pop() if len(signs) == 1 else ""

    def best(self, settled: Counter[str]) -> Parser:
        """The parser that fits best and is as other columns of the file settle it."""
        return max(self.ways, key=lambda parser: settled[parser.sign])


def _sample(scan: "pl.LazyFrame", name: str, source: Source) -> "pl.Series":
    """The first values of a column; asked for one by one, since the scan then ends early and keeps nothing."""
    import polars as pl

    values = scan.select(parsing.clean(name, source.missing).alias(name)).filter(pl.col(name).is_not_null())
    return values.head(SAMPLE).collect(engine="streaming")[name]


def _fitting(sample: "pl.Series", known: list[Parser], source: Source) -> tuple[list[Parser], list[Parser]]:
    """The parsers that fit a sample best, and all that most of it fits; with one number parser all of them."""
    import polars as pl

    wanted = source.types.get(sample.name)
    if wanted == TEXT or not sample.len():
        return [], []
    frame = pl.DataFrame({"x": sample}).lazy()
    known = [parser for parser in known if wanted in (None, parser.type)]
    numbers = [parser for parser in known if parser.type == NUMBER]
    # What numbers fit is no date, and most columns are numbers: the many forms of dates are not tried on them.
    counts = _count(frame, {"x": numbers}, {"x": pl.col("x")})["x"] if numbers else _Counts(sample.len(), {})
    if numbers and counts.most == counts.values:
        return counts.ways, numbers
    may_be_dates = sample.str.contains(parsing.LIKE_DATE).sum() >= _least(source, sample.len())
    others = [parser for parser in known if parser.type == BOOLEAN or (may_be_dates and parser.type in parsing.TIMES)]
    counts = _Counts(sample.len(), counts.fits | _count(frame, {"x": others}, {"x": pl.col("x")})["x"].fits)
    fitting = [parser for parser, fits in counts.fits.items() if fits >= _least(source, sample.len())]
    if any(parser.type == NUMBER for parser in fitting):
        return counts.ways, numbers
    return (counts.ways, fitting) if fitting else ([], [])


def _counted(scan: "pl.LazyFrame", tried: dict[str, list[Parser]], source: Source) -> dict[str, _Counts]:
    return _count(scan, tried, {name: parsing.clean(name, source.missing) for name in tried}) if tried else {}


def _count(scan: "pl.LazyFrame", tried: dict[str, list[Parser]], texts: dict[str, "pl.Expr"]) -> dict[str, _Counts]:
    """For each column what each of its parsers fits. All in one pass."""
    asked = []
    for at, (name, parsers) in enumerate(tried.items()):
        asked.append(texts[name].count().alias(f"{at}"))
        for n, parser in enumerate(parsers):
            asked.append(parser.read(texts[name]).count().alias(f"{at}.{n}"))
            if parser.agree:
                asked.append(parser.agree(texts[name].drop_nulls()).alias(f"{at}.{n}.agree"))
    found = scan.select(asked).collect(engine="streaming").row(0, named=True)
    counts = {}
    for at, (name, parsers) in enumerate(tried.items()):
        # Amounts in two currencies fit one by one, and are no numbers of one column.
        fits = {
            parser: 0 if found.get(f"{at}.{n}.agree") is False else found[f"{at}.{n}"]
            for n, parser in enumerate(parsers)
        }
        counts[name] = _Counts(found[f"{at}"], fits)
    return counts


def _type_of(dtype: "pl.DataType") -> str:
    import polars as pl

    if dtype.is_numeric():
        return NUMBER
    return {pl.Boolean: BOOLEAN, pl.Date: DATE, pl.Datetime: MOMENT, pl.Time: TIME}.get(dtype.base_type(), TEXT)
