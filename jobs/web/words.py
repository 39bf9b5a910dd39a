"""How durations, times and progress are written, the same on every page (static/js/times.js follows it)."""

from datetime import datetime, timedelta, tzinfo

from django.utils import timezone

MINUTE, HOUR, DAY = 60, 3_600, 86_400


def duration(value: timedelta | float) -> str:
    """1.2 s, 41 s, 4:51, 2 h 05, 3 d 4 h. value: a timedelta, or seconds."""
    seconds = max(0.0, value.total_seconds() if isinstance(value, timedelta) else float(value))
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE}:{whole % MINUTE:02}"
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE:02}"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"


def local(moment: datetime, zone: tzinfo | None = None) -> datetime:
    """The moment by the clock of a zone, by default the reader's. The calendar's first and last hours, which no clock
    of another zone shows, stay by the clock that they are told in: one odd row is no reason for a page to fail."""
    try:
        return moment.astimezone(zone or timezone.get_current_timezone())
    except (OverflowError, ValueError):
        return moment


def relative(moment: datetime, now: datetime) -> str:
    """now, 3 min, 5 h, then Mon 14:02, 3 Nov 14:02, 3 Nov 2025; "in 3 min" for what is to come."""
    seconds = (now - moment).total_seconds()
    before = "in " if seconds <= -MINUTE else ""
    away = abs(seconds)
    if away < MINUTE:
        return "now"
    if away < HOUR:
        return f"{before}{int(away // MINUTE)} min"
    if away < DAY:
        return f"{before}{int(away // HOUR)} h"
    there, here = local(moment), local(now)
    if away < 6 * DAY:
        return f"{there:%a %H:%M}"
    if there.year == here.year:
        return f"{there.day} {there:%b %H:%M}"
    return f"{there.day} {there:%b %Y}"


def exact(moment: datetime, zone: bool = True) -> str:
    """2026-11-21 14:02:09, with the zone behind it where asked."""
    return f"{local(moment):%Y-%m-%d %H:%M:%S}" + (f" {timezone.get_current_timezone_name()}" if zone else "")


def progress(current: float, total: float, step: str = "") -> str:
    """6,214 of 10,000 sent."""
    counted = f"{current:,} of {total:,}" if total else f"{current:,}"
    return f"{counted} {step}".strip()


def left(seconds: float) -> str:
    """1 min left, 12 s left: no finer than an estimate is."""
    if seconds < MINUTE:
        return f"{max(1, round(seconds))} s left"
    if seconds < HOUR:
        return f"{round(seconds / MINUTE)} min left"
    return f"{duration(seconds)} left"
