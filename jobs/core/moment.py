"""Moments as programs and people write them."""

import re
from datetime import UTC, datetime, time, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

#: Years in which something may be planned.
FIRST_YEAR, LAST_YEAR = 2000, 2199
WITHIN = f"expected a time from the year {FIRST_YEAR} to {LAST_YEAR}"
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|d|w)", re.IGNORECASE)
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def moment(text: str) -> datetime:
    """A moment from ISO 8601 text that says its offset. Raises ValueError."""
    example = "expected a date and time with offset, such as 2030-01-31T07:00:00+01:00"
    try:
        value = parse_datetime(text.strip())
        if value is None or value.tzinfo is None:
            raise ValueError
        at = value.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text[:60]!r} cannot be used: {example}.") from error
    if not is_usable(at):
        raise ValueError(f"{text[:60]!r} cannot be used: {WITHIN}.")
    return at


def is_usable(at: datetime) -> bool:
    """Whether something may be planned for then: the clocks of all zones show it, with room on both sides."""
    return FIRST_YEAR <= at.year <= LAST_YEAR


def bound(text: str, *, end: bool = False) -> datetime:
    """A moment that bounds a period: a span before now (2h, 3d) or ISO 8601, the local zone assumed.

    A bare date is its start, or with `end` the start of the next day. Raises ValueError.
    """
    text = text.strip()
    try:
        if span := _SPAN.fullmatch(text):
            return timezone.now() - timedelta(seconds=float(span[1]) * _UNITS[span[2].lower()])
        if day := parse_date(text):
            return _in_utc(datetime.combine(day + timedelta(days=1) if end else day, time()))
        # A "+" in an address that was not encoded arrives as a space.
        if at := parse_datetime(text.replace(" ", "+") if re.search(r"T.* \d\d:?\d\d$", text) else text):
            return _in_utc(at)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"“{text[:60]}” is no time: expected 2h, 3d, 2026-11-21 or 2026-11-21T14:00.")


def _in_utc(at: datetime) -> datetime:
    """Here rather than in SQL's driver: the first and the last hours of the calendar cannot be moved to UTC."""
    return (at if timezone.is_aware(at) else timezone.make_aware(at)).astimezone(UTC)
