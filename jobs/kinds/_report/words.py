"""Figures and values as people read them."""

import datetime as dt
import math
from collections.abc import Sequence
from typing import Any

#: [characters] of a value in a document for reading; files for machines have all of it.
LONGEST = 60


def number(value: float | int | None) -> str:
    """1,234 · 0.0123 · 12.35: as many decimals as the size of the number makes worth reading."""
    if value is None:
        return "–"
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e15):
        return f"{int(value):,}".replace("-", "−")
    size = abs(value)
    text = f"{value:,.0f}" if size >= 10_000 else f"{value:,.2f}" if size >= 1 else f"{value:.3g}"
    return text.replace("-", "−")


def alike(values: Sequence[float | int | None]) -> list[str]:
    """Numbers that stand in one column, all with as many decimals as the largest of them makes worth reading."""
    known = [value for value in values if value is not None]
    largest = max(map(abs, known), default=0)
    whole = largest >= 10_000 or all(value == int(value) for value in known)
    digits = 2 if largest >= 1 else 4
    texts = ("–" if value is None else f"{round(value):,}" if whole else f"{value:,.{digits}f}" for value in values)
    return [text.replace("-", "−") for text in texts]


def large(value: float | None) -> str:
    """11.8 million: for sentences."""
    units = ((1e6, "million"), (1e9, "billion"), (1e12, "trillion"))
    for unit, name in units:
        # 999,999,999 is rounded to 1 billion, not to 1e+03 million.
        scaled = float(f"{(value or 0) / unit:.3g}")
        if 1 <= abs(scaled) < 1000:
            return f"{scaled:g} {name}".replace("-", "−")
    if value is not None and abs(value) >= 9.995e14:
        return f"{value / 1e12:,.0f} trillion".replace("-", "−")
    return number(value)


def short(value: float | None) -> str:
    """1.2M, 340k: for key figures beside bars and lines."""
    if value is None:
        return "–"
    unit, name = _unit(float(f"{abs(value):.3g}"))
    if not name:
        return number(float(f"{value:.4g}"))
    text = f"{value / unit:.3g}" if abs(value) < 1000 * unit else f"{value / unit:,.0f}"
    return text.replace("-", "−") + name


def ticks(values: Sequence[float]) -> list[str]:
    """The values of an axis, evenly spaced: all in one unit, with as many decimals as the step between them needs."""
    step = values[1] - values[0]
    unit, name = _unit(max(map(abs, values)))
    if step < unit / 100:
        unit, name = 1.0, ""  # 1,200,000,200 is read more easily than 1.2000002B
    digits = next((n for n in range(7) if math.isclose(round(step / unit, n), step / unit, rel_tol=1e-6)), None)
    form = ".6g" if digits is None else f",.{digits}f"
    return [format(value / unit, form).replace("-", "−") + name if value else "0" for value in values]


def _unit(size: float) -> tuple[float, str]:
    """The unit in which a number of this size is short; below 10,000 none is needed."""
    units = ((1e12, 1e12, "T"), (1e9, 1e9, "B"), (1e6, 1e6, "M"), (1e4, 1e3, "k"))
    return next(((unit, name) for start, unit, name in units if size >= start), (1.0, ""))


def share(part: float, whole: float) -> str:
    """31 %, below 1 % with one decimal, never rounded to 0 or 100."""
    if not whole:
        return "–"
    percent = 100 * part / whole
    if 0 < percent < 0.1:
        return "< 0.1%"
    if 99.9 < percent < 100:
        return "> 99.9%"
    fine = percent < 10 or percent > 99
    return f"{percent:.1f}%" if fine and percent != int(percent) else f"{percent:.0f}%"


def day(value: dt.date) -> str:
    return f"{value.day} {value:%b %Y}"


def value(item: Any, longest: int = LONGEST) -> str:
    """Any value of a table in words."""
    match item:
        case None:
            return "(missing)"
        case bool():
            return "yes" if item else "no"
        case int() | float():
            return number(item)
        case dt.datetime():
            return f"{day(item)}, {item:%H:%M}"
        case dt.date():
            return day(item)
        case dt.time():
            return f"{item:%H:%M:%S}" if item.second else f"{item:%H:%M}"
    return cut(" ".join(str(item).split()), longest)


def cut(text: str, most: int) -> str:
    """The text, or its beginning with "…": cut between words where that leaves most of it."""
    if len(text) <= most:
        return text
    beginning = text[: most - 1]
    words, space, _ = beginning.rpartition(" ")
    whole = beginning if text[most - 1] == " " or len(words) < most * 2 // 3 or not space else words
    return whole.rstrip() + "…"


def bucket(start: Any, size: str) -> str:
    """The name of a time bucket: Mar 2025, week of 3 Mar 2025, 3 Mar 2025, 3 Mar 2025, 14:00."""
    if start is None:
        return "(missing)"
    match size:
        case "month":
            return f"{start:%b %Y}"
        case "week":
            return f"week of {day(start)}"
        case "hour":
            return f"{day(start)}, {start:%H:%M}"
    return day(start)


def many(count: int, one: str, more: str = "") -> str:
    """1 row, 2 rows."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def listed(parts: Sequence[str]) -> str:
    """a, b and c."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
