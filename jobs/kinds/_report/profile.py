"""What is in each column: type, missing, distinct, figures, the most frequent values."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jobs.kinds._report.parsing import NUMBER, TIME, TIMES
from jobs.kinds._report.typed import Table

if TYPE_CHECKING:
    import polars as pl

TOP = 10
#: [rows] beyond which distinct values are estimated (within about 2 %) rather than kept all in memory.
EXACT_UP_TO = 2_000_000
FIGURES = ("min", "p5", "p25", "median", "mean", "p75", "p95", "max")
#: Whole numbers that all lie between are taken for years.
FIRST_YEAR, LAST_YEAR = 1900, 2100
#: Words in the name of a column whose numbers name things.
_NAMING = frozenset(
    {
        "id", "ids", "uid", "no", "nr", "num", "nummer", "numéro", "numero", "code", "plz", "zip", "zipcode",
        "postcode", "postal", "phone", "tel", "telefon", "mobile", "fax", "ean", "isbn", "gtin", "sku", "iban",
        "bic", "konto", "account", "kundennummer", "year", "jahr", "année", "annee", "año", "ano", "anno", "rok", "год",
    }
)  # fmt: skip
_QUANTILES = {"p5": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}


@dataclass(frozen=True)
class ColumnProfile:
    """One column. `figures` by the names of FIGURES for numbers, "min" and "max" for times; `top` as (value, rows)."""

    name: str
    type: str
    missing: int
    distinct: int
    estimated: bool
    figures: dict[str, Any] = field(default_factory=dict)
    top: list[tuple[Any, int]] = field(default_factory=list)
    note: str = ""
    #: Whether its numbers name things or years: they are shown as they are written, and have no mean.
    is_label: bool = False


def profile(table: Table, report: Callable[[str, float], None], measured: str = "") -> list[ColumnProfile]:
    """Every column's profile, read one column at a time. measured: the column that is asked for, whatever it holds."""
    profiles = []
    for at, name in enumerate(table.columns):
        report(f"Looking at column {at + 1} of {len(table.columns)}", at / len(table.columns))
        profiles.append(_profile(table, name, name == measured))
    return profiles


def _profile(table: Table, name: str, is_measured: bool) -> ColumnProfile:
    import polars as pl

    column, kind = pl.col(name), table.types[name]
    estimated = table.rows > EXACT_UP_TO
    distinct = column.drop_nulls().approx_n_unique() if estimated else column.drop_nulls().n_unique()
    asked = {"missing": column.null_count(), "distinct": distinct}
    if kind == NUMBER:
        asked |= {part: column.quantile(at, "linear") for part, at in _QUANTILES.items()}
        asked |= {"mean": column.cast(pl.Float64).mean()}
    if kind in (NUMBER, TIME, *TIMES):
        asked |= {"min": column.min(), "max": column.max()}
    found = table.scan().select(**asked).collect(engine="streaming").row(0, named=True)
    figures = {part: found[part] for part in FIGURES if part in found and found[part] is not None}
    top = [] if _says_nothing(kind, found["distinct"], table.rows - found["missing"]) else _top(table.scan(), name)
    is_label = not is_measured and kind == NUMBER and _is_label(name, figures, found["distinct"])
    if is_label:
        figures = {part: str(figures[part]) for part in ("min", "max")}
        top = [(str(value), rows) for value, rows in top]
    return ColumnProfile(
        name=name,
        type=kind,
        missing=found["missing"],
        distinct=found["distinct"],
        estimated=estimated,
        figures=figures,
        top=top,
        is_label=is_label,
        note=f"mostly {table.likely[name].type}" if name in table.likely else "",
    )


def _is_label(name: str, figures: dict[str, Any], distinct: int) -> bool:
    """Whether whole numbers most likely name things (customer 10482) or years, of which a mean says nothing."""
    low, high = figures.get("min"), figures.get("max")
    if not isinstance(low, int) or not isinstance(high, int):
        return False
    is_running = distinct > TOP and low >= 0 and high - low < distinct * 1.1
    is_year = low >= FIRST_YEAR and high <= LAST_YEAR
    # "customerId" and "order_no" are words too.
    words = re.sub(r"(?<=[a-zà-ÿ])(?=[A-Z])", " ", name).casefold().replace("_", " ")
    return is_running or is_year or not _NAMING.isdisjoint(re.findall(r"[^\W\d]+", words))


def _says_nothing(kind: str, distinct: int, values: int) -> bool:
    """Whether the most frequent values tell no more than the figures do: measurements, times, identifiers."""
    return kind in (TIME, *TIMES) or (kind == NUMBER and distinct > 20) or (distinct > TOP and distinct > values * 0.9)


def _top(scan: "pl.LazyFrame", name: str) -> list[tuple[Any, int]]:
    import polars as pl

    counts = scan.select(value=pl.col(name)).drop_nulls().group_by("value").agg(rows=pl.len())
    top = counts.sort(["rows", "value"], descending=[True, False]).head(TOP)
    return [(value, rows) for value, rows in top.collect(engine="streaming").iter_rows()]
