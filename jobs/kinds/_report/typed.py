"""What each column holds, found from all of its values; the table typed, as a Parquet file that questions scan."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jobs.kinds._report import parsing
from jobs.kinds._report.parsing import BOOLEAN, DATE, MOMENT, NUMBER, TEXT, Parser
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


def typed(source: Source, folder: Path, zone: str, report: Report) -> Table:
    """Find out what each column is, and write the table typed. `report` as in `from_file`."""
    import polars as pl

    with explained(source.name):
        scan = _plain(source.scan, zone)
        schema = scan.collect_schema()
        texts = [name for name, dtype in schema.items() if dtype == pl.String]
        report("Finding types", 0)
        likely = _readings(scan, texts, source, zone)
        report("Writing the typed table", 0.5)
        exact = {name: parser for name, (parser, is_all) in likely.items() if is_all}
        path = folder / "table.parquet"
        columns = [
            exact[name].read(parsing.clean(name)).alias(name) if name in exact
            else parsing.clean(name).alias(name) if name in texts
            else pl.col(name)
            for name in schema.names()
        ]  # fmt: skip
        scan.select(columns).sink_parquet(path, compression="lz4", row_group_size=100_000)
    types = {name: exact[name].type if name in exact else _type_of(dtype) for name, dtype in schema.items()}
    for name, parser in exact.items():
        if parser.note:
            source.notes.append(f"{name}: {parser.note}.")
    rows = pl.scan_parquet(path).select(pl.len()).collect().item()
    mostly = {name: parser for name, (parser, is_all) in likely.items() if not is_all}
    return Table(source, path, types, rows, mostly)


def _plain(scan: "pl.LazyFrame", zone: str) -> "pl.LazyFrame":
    """Every column as one of: text, number, yes/no, date, time of day-and-date without zone."""
    import polars as pl

    columns = []
    for name, dtype in scan.collect_schema().items():
        column = pl.col(name)
        if dtype in (pl.Categorical, pl.Enum, pl.Time, pl.Null):
            column = column.cast(pl.String)
        elif dtype == pl.Decimal:
            column = column.cast(pl.Float64)
        elif dtype == pl.Duration:
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
    """For each text column that is mostly something else: its parser, and whether all values fit it."""
    if not texts:
        return {}
    known = parsing.parsers(zone, source.delimiter)
    tried = {name: _fitting(_sample(scan, name), known, source.types.get(name)) for name in texts}
    # Most columns are what their sample says, so the others are tried only where its reading does not fit all.
    found = _best(scan, {name: parsers[:1] for name, parsers in tried.items() if parsers})
    doubtful = {name: tried[name] for name, (_, fits, values) in found.items() if fits < values}
    found |= _best(scan, doubtful)
    return {
        name: (parser, fits == values)
        for name, (parser, fits, values) in found.items()
        if fits >= parsing.MOST * values
    }


def _sample(scan: "pl.LazyFrame", name: str) -> "pl.Series":
    """The first values of a column; asked for one by one, since the scan then ends early and keeps nothing."""
    import polars as pl

    values = scan.select(parsing.clean(name).alias(name)).filter(pl.col(name).is_not_null()).head(SAMPLE)
    return values.collect(engine="streaming")[name]


def _fitting(sample: "pl.Series", known: list[Parser], wanted: str | None) -> list[Parser]:
    """The parsers that most of a sample fits, the best first; with one number parser all of them."""
    import polars as pl

    if wanted == TEXT or not sample.len():
        return []
    frame = pl.DataFrame({"x": sample})
    known = [parser for parser in known if wanted in (None, parser.type)]
    counts = (parser.read(pl.col("x")).is_not_null().sum().alias(str(at)) for at, parser in enumerate(known))
    fits = dict(zip(known, frame.select(counts).row(0), strict=True))
    ranked = sorted(known, key=lambda parser: -fits[parser])
    fitting = [parser for parser in ranked if fits[parser] >= parsing.MOST * sample.len()]
    if any(parser.type == NUMBER for parser in fitting):
        return [parser for parser in ranked if parser.type == NUMBER]
    return fitting


def _best(scan: "pl.LazyFrame", tried: dict[str, list[Parser]]) -> dict[str, tuple[Parser, int, int]]:
    """For each column the parser that fits most of its values, how many these are, and how many values there are."""
    if not tried:
        return {}
    counts = []
    for at, (name, parsers) in enumerate(tried.items()):
        counts.append(parsing.clean(name).count().alias(f"{at}"))
        counts += [parser.read(parsing.clean(name)).count().alias(f"{at}.{n}") for n, parser in enumerate(parsers)]
    found = scan.select(counts).collect(engine="streaming").row(0, named=True)
    best = {}
    for at, (name, parsers) in enumerate(tried.items()):
        fits = [found[f"{at}.{n}"] for n in range(len(parsers))]
        best[name] = parsers[fits.index(max(fits))], max(fits), found[f"{at}"]
    return best


def _type_of(dtype: "pl.DataType") -> str:
    import polars as pl

    if dtype.is_numeric():
        return NUMBER
    return {pl.Boolean: BOOLEAN, pl.Date: DATE, pl.Datetime: MOMENT}.get(dtype.base_type(), TEXT)
