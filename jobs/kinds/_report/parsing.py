"""What the texts of a column mean: numbers, dates, yes and no, as people and programs write them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

NUMBER, DATE, MOMENT, BOOLEAN, TEXT = "number", "date", "date and time", "yes/no", "text"
TIMES = (DATE, MOMENT)
#: Texts that stand for "no value".
MISSING = ("", "null", "NULL", "NaN", "nan", "N/A", "n/a", "#N/A")
#: A column is taken for what most of its values are, and called so only where all of them are.
MOST = 0.5
#: Years of two digits are those that end with this one.
_LAST = 2049
_SHORT = f"with years from {_LAST - 99} to {_LAST}"
#: Form: what the report says of it. Years of two digits are read only where days and months come first.
_DATES = {
    "%Y-%m-%d": "",
    "%d.%m.%Y": "",
    "%m/%d/%Y": "read as month/day/year",
    "%d/%m/%Y": "read as day/month/year",
    "%Y/%m/%d": "",
    "%d.%m.%y": f"read as day.month.year, {_SHORT}",
    "%m/%d/%y": f"read as month/day/year, {_SHORT}",
    "%d/%m/%y": f"read as day/month/year, {_SHORT}",
}
_CLOCKS = ("%H:%M:%S%.f", "%H:%M")


@dataclass(frozen=True)
class Parser:
    """One way to read a text. `read` makes an expression of clean text one of values, null where it does not fit."""

    type: str
    read: Callable[["pl.Expr"], "pl.Expr"]
    #: Said in the report where the reading is one of two possible ones.
    note: str = ""


def clean(column: str) -> "pl.Expr":
    """The trimmed texts of a column, null where one stands for "no value"."""
    import polars as pl

    text = pl.col(column).str.strip_chars()
    return pl.when(text.is_in(MISSING)).then(None).otherwise(text)


def parsers(zone: str, delimiter: str) -> list[Parser]:
    """Every parser, the stricter first.

    zone: where times without a zone are shown. delimiter: what stood between the values, "" where nothing did.
    """
    import polars as pl

    def number(text: pl.Expr, dtype: "type[pl.DataType]") -> pl.Expr:
        # Leading zeros and very long digits are codes (007, card numbers): as numbers they would be spoilt.
        code = text.str.contains(r"^[+-]?(0\d|\d{16,}$)")
        value = text.cast(dtype, strict=False)
        return pl.when(code).then(None).when(value.cast(pl.Float64).is_finite()).then(value).otherwise(None)

    def integer(text: pl.Expr) -> pl.Expr:
        return number(text, pl.Int64)

    def decimal(text: pl.Expr) -> pl.Expr:
        return number(text, pl.Float64)

    def grouped(thousands: str, point: str) -> Callable[[pl.Expr], pl.Expr]:
        th, pt = rf"\{thousands}", rf"\{point}"
        shape = rf"^[+-]?(\d{{1,3}}({th}\d{{3}})+|\d+)({pt}\d+)?$"

        def read(text: pl.Expr) -> pl.Expr:
            plain = text.str.replace_all(thousands, "", literal=True).str.replace(point, ".", literal=True)
            return pl.when(text.str.contains(shape)).then(decimal(plain)).otherwise(None)

        return read

    def thousands(text: pl.Expr) -> pl.Expr:
        whole = pl.when(text.str.contains(r"^[+-]?\d{1,3}(\.\d{3})*$")).then(text)
        return integer(whole.str.replace_all(".", "", literal=True))

    def boolean(text: pl.Expr) -> pl.Expr:
        word = text.str.to_lowercase()
        return pl.when(word.is_in(["true", "yes"])).then(True).when(word.is_in(["false", "no"])).then(False)

    def time(form: str, dtype: "type[pl.Date] | pl.Datetime") -> Callable[[pl.Expr], pl.Expr]:
        def read(text: pl.Expr) -> pl.Expr:
            # Both %Y and %y take years of fewer digits.
            shape = r"^\d+\D\d+\D\d\d(\D|$)" if "%y" in form else r"^(\d+\D\d+\D)?\d{4}(\D|$)"
            value = pl.when(text.str.contains(shape)).then(text).str.strptime(dtype, form, strict=False)
            if "%y" not in form:
                return value
            return pl.when(value.dt.year() > _LAST).then(value.dt.offset_by("-100y")).otherwise(value)

        return read

    def date(form: str) -> Callable[[pl.Expr], pl.Expr]:
        return time(form, pl.Date)

    def moment(form: str) -> Callable[[pl.Expr], pl.Expr]:
        return time(form, pl.Datetime("us"))

    def zoned(form: str) -> Callable[[pl.Expr], pl.Expr]:
        return lambda text: local(time(form, pl.Datetime("us", "UTC"))(text), zone)

    english, european = Parser(NUMBER, grouped(",", ".")), Parser(NUMBER, grouped(".", ","), "1.234,5 is 1234.5")
    numbers = [Parser(NUMBER, integer), Parser(NUMBER, decimal)]
    # Where semicolons stand between values, a decimal sign is a comma: 1.234 is 1234 if all values are grouped so.
    if delimiter == ";":
        numbers.insert(1, Parser(NUMBER, thousands, "read with dots between thousands, 1.234 is 1234"))
    numbers += [european, english] if delimiter in (";", "\t") else [english, european]
    moments = [Parser(MOMENT, zoned(form)) for form in ("%+", "%Y-%m-%d %H:%M:%S%.f%#z")]
    for day, note in _DATES.items():
        glue = (" ", "T") if day.startswith("%Y-") else (" ",)
        moments += [Parser(MOMENT, moment(f"{day}{space}{clock}"), note) for space in glue for clock in _CLOCKS]
    return (
        numbers
        + [Parser(BOOLEAN, boolean)]
        + [Parser(DATE, date(form), note) for form, note in _DATES.items()]
        + moments
    )


def local(expression: "pl.Expr", zone: str) -> "pl.Expr":
    """Times with a zone as wall-clock times of `zone`."""
    return expression.dt.convert_time_zone(zone).dt.replace_time_zone(None)
