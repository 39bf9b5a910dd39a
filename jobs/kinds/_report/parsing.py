"""What the texts of a column mean: numbers, dates, yes and no, as people and programs write them."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

NUMBER, DATE, MOMENT, TIME, BOOLEAN, TEXT = "number", "date", "date and time", "time of day", "yes/no", "text"
TIMES = (DATE, MOMENT)
#: Texts that stand for "no value".
MISSING = ("", "null", "NULL", "NaN", "nan", "N/A", "n/a", "#N/A")
#: In a workbook #N/A is an error that somebody is to see, as #DIV/0! is.
WRITTEN_MISSING = MISSING[:-1]
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
    "%d-%m-%Y": "read as day-month-year",
    "%m-%d-%Y": "read as month-day-year",
    "%d.%m.%y": f"read as day.month.year, {_SHORT}",
    "%m/%d/%y": f"read as month/day/year, {_SHORT}",
    "%d/%m/%y": f"read as day/month/year, {_SHORT}",
    "%d-%B-%Y": "",
    "%d %B %Y": "",
    "%d. %B %Y": "",
    "%B %d, %Y": "",
    "%B %d %Y": "",
    "%d-%B-%y": f"read as day-month-year, {_SHORT}",
}
#: How each of them begins; texts that do not are spared the trial of all forms.
LIKE_DATE = r"^\d|^[A-Za-z]{3,9}\.? \d{1,2}\b"
_CLOCKS = ("%H:%M:%S%.f", "%H:%M", "%I:%M %p", "%I:%M:%S %p")
#: Which of two readings a form belongs to. One column that can only be read one way settles it for its file.
_DAY_FIRST = ("%d/%m/%Y", "%d/%m/%y", "%d-%m-%Y")
_MONTH_FIRST = ("%m/%d/%Y", "%m/%d/%y", "%m-%d-%Y")
#: Between thousands people write these too, whatever their decimal sign.
_SPACES = "'’ \u00a0\u202f\u2009"
_MONEY = (
    r"(?:[A-Z]{0,2}[$€£¥₹₽₩₺₴₪฿₫₱]|(?:EUR|USD|GBP|CHF|JPY|CNY|INR|SEK|NOK|DKK|PLN|CZK|HUF|RON|BGN|BRL|AUD|CAD|NZD|ZAR|"
    r"TRY|MXN|RUB|UAH|KRW|SGD|HKD|THB|ILS|AED|SAR)\b|\bkr\b\.?|zł|Kč|Ft\b|lei\b|лв\.?|руб\.?|грн\.?|Fr\.|SFr\.|Rs\.?)"
)


@dataclass(frozen=True)
class Parser:
    """One way to read a text. `read` makes an expression of clean text one of values, null where it does not fit."""

    type: str
    read: Callable[["pl.Expr"], "pl.Expr"]
    #: Said in the report where the reading is one of two possible ones.
    note: str = ""
    #: What its reading says of the file: its decimal sign, or whether the day comes first.
    sign: str = ""
    #: Whether all texts of a column could be meant so together, beside what `read` says of each.
    agree: Callable[["pl.Expr"], "pl.Expr"] | None = None


def clean(column: str, missing: Sequence[str] = MISSING) -> "pl.Expr":
    """The trimmed texts of a column, null where one stands for "no value"."""
    import polars as pl

    text = pl.col(column).str.strip_chars()
    return pl.when(text.is_in(list(missing))).then(None).otherwise(text)


def parsers(zone: str, delimiter: str) -> list[Parser]:
    """Every parser, the stricter first.

    zone: where times without a zone are shown. delimiter: what stood between the values, "" where nothing did.
    """
    import polars as pl

    def number(text: pl.Expr, dtype: "type[pl.DataType]") -> pl.Expr:
        # Codes, which would be spoilt as numbers: leading zeros and very long digits (007, card numbers), "+49…" of
        # phones, and "1E5", since programs that mean a power write 1.0E5, 1e+05 or 1e-05.
        code = text.str.contains(r"^[+-]?(0\d|\d{16,}$)|^\+\d{7,}$|^[+-]?\d+[eE]\d")
        value = text.cast(dtype, strict=False)
        return pl.when(code).then(None).when(value.cast(pl.Float64).is_finite()).then(value).otherwise(None)

    def integer(text: pl.Expr) -> pl.Expr:
        return number(text, pl.Int64)

    def decimal(text: pl.Expr) -> pl.Expr:
        return number(text, pl.Float64)

    def written(point: str) -> Callable[[pl.Expr], pl.Expr]:
        """Numbers as people write them: grouped, with a unit, a percent sign, a minus behind, in parentheses."""
        comma = "," if point == "." else "."
        groups = [rf"\d{{1,3}}(?:{re.escape(mark)}\d{{3}})+" for mark in (comma, *_SPACES)]
        if point == ".":
            groups.append(r"\d{1,2}(?:,\d\d)+,\d{3}")  # 1,23,456 as in India
        amount = rf"(?:(?:{'|'.join(groups)}|0|[1-9]\d{{0,14}})(?:\{point}\d+)?|\{point}\d+)"
        # A zero before a group (0.123 with dots between thousands) is none, and 15 digits are what a number holds.
        first = rf"(?:[+−-]\s*)?(?:{_MONEY}\s*)?(?:[+−-]\s*)?"
        one = rf"{first}{amount}\s*(?:%|{_MONEY})?"
        shape = rf"^(?:{one}|{amount}\s*(?:{_MONEY})?\s*[−-]|\(\s*(?:{_MONEY}\s*)?{amount}\s*(?:%|{_MONEY})?\s*\))$"
        negative, zeros = r"^\(|[−-]", rf"(?:^|[^\d\{point}{comma}])0[{comma}{_SPACES}]\d"

        def read(text: pl.Expr) -> pl.Expr:
            fits = text.str.contains(shape) & ~text.str.contains(zeros) & ~text.str.contains(r"^\+\d{7,}$")
            bare = pl.when(fits).then(text).str.replace(_MONEY, "")
            plain = bare.str.replace_all(rf"[^\d\{point}]", "").str.replace(point, ".", literal=True)
            value = plain.cast(pl.Float64, strict=False)
            value = pl.when(text.str.contains(negative)).then(-value).otherwise(value)
            return pl.when(text.str.ends_with("%") | text.str.ends_with("%)")).then(value / 100).otherwise(value)

        return read

    def one_unit(text: pl.Expr) -> pl.Expr:
        """Euros and dollars, or shares and amounts, are no numbers of one column."""
        money, share = text.str.extract(rf"({_MONEY})"), text.str.contains("%")
        return (money.drop_nulls().n_unique() <= 1) & (~share.any() | share.all())

    def grouped_alike(text: pl.Expr) -> pl.Expr:
        """Whoever writes dots between thousands writes them into every long number."""
        return ~text.str.contains(r"^[+-]?\d{4,}$").any()

    def thousands(text: pl.Expr) -> pl.Expr:
        whole = pl.when(text.str.contains(r"^[+-]?(?:0|[1-9]\d{0,2}(\.\d{3})*)$")).then(text)
        return integer(whole.str.replace_all(".", "", literal=True))

    def boolean(text: pl.Expr) -> pl.Expr:
        word = text.str.to_lowercase()
        return pl.when(word.is_in(["true", "yes"])).then(True).when(word.is_in(["false", "no"])).then(False)

    def time(form: str, dtype: "type[pl.Date] | pl.Datetime") -> Callable[[pl.Expr], pl.Expr]:
        def read(text: pl.Expr) -> pl.Expr:
            # Both %Y and %y take years of fewer digits, and %B short names of months too.
            short = "%y" in form
            if "%B" in form:
                shape = r"^\d{1,2}\D+\d\d(\D|$)" if short else r"(^|\D)\d{4}(\D|$)"
            else:
                shape = r"^\d+\D\d+\D\d\d(\D|$)" if short else r"^(\d+\D\d+\D)?\d{4}(\D|$)"
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

    dots = Parser(NUMBER, written("."), sign=".", agree=one_unit)
    commas = Parser(NUMBER, written(","), "1.234,5 is 1234.5", sign=",", agree=one_unit)
    whole = Parser(NUMBER, thousands, "read with dots between thousands, 1.234 is 1234", sign=",", agree=grouped_alike)
    plain = Parser(NUMBER, decimal, sign=".")
    # Where semicolons stand between values, a decimal sign is a comma, if the file does not show otherwise.
    numbers = [Parser(NUMBER, integer)]
    numbers += [whole, plain] if delimiter == ";" else [plain, whole]
    numbers += [commas, dots] if delimiter in (";", "\t") else [dots, commas]
    moments = [Parser(MOMENT, zoned(form)) for form in ("%+", "%Y-%m-%d %H:%M:%S%.f%#z")]
    for day, note in _DATES.items():
        glue = (" ", "T") if day.startswith("%Y-") else (" ",)
        moments += [
            Parser(MOMENT, moment(f"{day}{space}{clock}"), note, _order(day)) for space in glue for clock in _CLOCKS
        ]
    return (
        numbers
        + [Parser(BOOLEAN, boolean)]
        + [Parser(DATE, date(form), note, _order(form)) for form, note in _DATES.items()]
        + moments
    )


def _order(form: str) -> str:
    return "day" if form in _DAY_FIRST else "month" if form in _MONTH_FIRST else ""


def local(expression: "pl.Expr", zone: str) -> "pl.Expr":
    """Times with a zone as wall-clock times of `zone`."""
    return expression.dt.convert_time_zone(zone).dt.replace_time_zone(None)
