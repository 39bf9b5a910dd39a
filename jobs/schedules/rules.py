"""When a schedule runs: next times and words, from the rule that a PeriodicTask names. No SQL is asked here."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from itertools import count, islice
from typing import Any
from zoneinfo import ZoneInfo

from celery.exceptions import ImproperlyConfigured
from celery.schedules import ParseException, solar
from celery.schedules import crontab as CeleryCrontab
from django.conf import settings

from jobs.schedules.cron_words import MONTHS, WEEKDAYS, describe

#: [days] after which a cron rule without a run counts as one that never runs: 29 February on a given day of the week
#: may be forty years away, where a century without a leap day lies between.
HORIZON = 366 * 41


#: What each field of a cron rule takes, in words.
_TAKES = {
    "minute": "numbers from 0 to 59",
    "hour": "numbers from 0 to 23",
    "day_of_month": "numbers from 1 to 31",
    "month_of_year": "numbers from 1 to 12 or names such as jan",
    "day_of_week": "numbers from 0 (Sunday) to 6 or names such as mon",
}
#: The names that stand for numbers in two of them.
_NAMES = {"month_of_year": MONTHS, "day_of_week": WEEKDAYS}
CRON_FIELDS = tuple(_TAKES)
#: Less than lies between two events of the sun, and more than ephem errs by.
_SOLAR_APART = timedelta(minutes=1)
#: What a stored rule that cannot be used raises: no cron, numbers out of range, a solar event without its library.
UNUSABLE = (ValueError, TypeError, LookupError, OverflowError, ImportError, ImproperlyConfigured)


class NeverRuns(ValueError):
    """The rule has no run ahead; the text says why."""


def next_runs(task: Any, moment: datetime, number: int = 5) -> list[datetime]:
    """The next runs after `moment`, in the schedule's time zone, switched off or not."""
    zone = zone_of(task)
    return [run.astimezone(zone) for run in islice(runs_after(task, moment), number)]


def runs_after(task: Any, moment: datetime, anchor: datetime | None = None) -> Iterator[datetime]:
    """All runs of a PeriodicTask after `moment`, none before start_time or after expires; switched off or not.

    anchor: a run that intervals are counted from, by default the last that was.
    """
    if task.start_time and task.start_time > moment:
        moment = task.start_time - timedelta(microseconds=1)
    for run in _runs(task, moment, anchor):
        if task.expires and run > task.expires:
            return
        yield run
        if task.one_off:
            return


def _runs(task: Any, moment: datetime, anchor: datetime | None) -> Iterator[datetime]:
    if task.crontab_id or task.crontab:
        yield from _cron_runs(task.crontab, moment)
    elif task.interval_id or task.interval:
        yield from _interval_runs(task, moment, anchor)
    elif task.clocked_id or task.clocked:
        if task.clocked.clocked_time > moment:
            yield task.clocked.clocked_time
    elif task.solar:
        yield from _solar_runs(task, moment)
    else:
        raise ValueError("it has no rule: give it a cron rule, an interval or a time")


def _interval_runs(task: Any, moment: datetime, anchor: datetime | None) -> Iterator[datetime]:
    """Counted from the start time, else from `anchor`, the last run, or when the schedule was changed."""
    if task.interval.every < 1:
        raise ValueError(f"every {task.interval.every} {task.interval.period}: expected a whole number from 1")
    period = timedelta(**{task.interval.period: task.interval.every})
    first = task.start_time or anchor or task.last_run_at or task.date_changed or moment
    passed = (moment - first) // period
    run = first + (passed if anchor else max(0, passed)) * period
    while True:
        if run > moment and (run != first or task.start_time):
            yield run
        run += period


def _solar_runs(task: Any, moment: datetime) -> Iterator[datetime]:
    """As Celery finds the event, to the second.

    ephem misses an event that is a few milliseconds ahead, and its answer varies by as much with the moment that it
    searches from. So the search begins a minute early, and each event is reckoned once more from a full hour before it:
    whoever asks, and whenever, gets the same time.
    """
    where = task.solar
    since = moment - _SOLAR_APART

    def following(start: datetime) -> datetime:
        # What is left until the event Celery counts from its own now.
        return start + solar(where.event, where.latitude, where.longitude, nowfun=lambda: start).remaining_estimate(
            start
        )

    while True:
        roughly = following(since)
        run = following((roughly - timedelta(hours=1)).replace(minute=0, second=0, microsecond=0))
        run = (run if abs(run - roughly) < _SOLAR_APART else roughly) + timedelta(milliseconds=500)
        run = run.replace(microsecond=0)
        if run > moment:
            yield run
        since = max(run, roughly) + _SOLAR_APART


def _cron_runs(rule: Any, moment: datetime) -> Iterator[datetime]:
    """Day by day, hour by hour, in the rule's time zone.

    Celery's reading of cron: day of month and day of week must both match. A local time that a clock change leaves
    out runs when the gap ends; one that comes twice runs at its first coming. Where the rule names every hour, it
    runs as if no clock changed.
    """
    parsed = parse(rule)
    zone = ZoneInfo(str(rule.timezone))
    local = moment.astimezone(zone)
    times = times_of(parsed)
    last: datetime | None = None
    quiet_since = 0
    for offset in count():
        if offset - quiet_since > HORIZON:
            return
        day = local.date() + timedelta(days=offset)
        if not matches(parsed, day):
            continue
        if clock_changes(day, zone):
            runs: Iterable[datetime] = _runs_of_odd_day(day, times, zone, every_hour=len(parsed.hour) == 24)
        else:
            ahead = times if offset else times[bisect_left(times, local.time().replace(second=0, microsecond=0)) :]
            runs = (datetime.combine(day, at, zone).astimezone(UTC) for at in ahead)
        for run in runs:
            if run > moment and (last is None or run > last):
                last, quiet_since = run, offset
                yield run


def times_of(parsed: CeleryCrontab) -> list[time]:
    """The local times of a day that a rule names."""
    return _times(frozenset(parsed.hour), frozenset(parsed.minute))


@lru_cache(1024)
def _times(hours: frozenset[int], minutes: frozenset[int]) -> list[time]:
    return [time(hour, minute) for hour in sorted(hours) for minute in sorted(minutes)]


def clock_changes(day: date, zone: ZoneInfo) -> bool:
    """Whether the zone's offset at the end of a day differs from that at its start."""
    midnight = datetime.combine(day, time(), zone)
    return midnight.utcoffset() != (midnight + timedelta(days=1)).utcoffset()


def _runs_of_odd_day(day: date, times: list[time], zone: ZoneInfo, *, every_hour: bool) -> list[datetime]:
    if not every_hour:
        return sorted({instant_of(day, at, zone) for at in times})
    both = (datetime.combine(day, at, zone).replace(fold=fold) for at in times for fold in (0, 1))
    return sorted({local.astimezone(UTC) for local in both if is_real(local)})


def is_real(local: datetime) -> bool:
    """False for a local time that a clock change leaves out."""
    there = local.astimezone(UTC).astimezone(local.tzinfo)
    return there.replace(tzinfo=None) == local.replace(tzinfo=None)


def matches(parsed: CeleryCrontab, day: date) -> bool:
    return (
        day.month in parsed.month_of_year
        and day.day in parsed.day_of_month
        and day.isoweekday() % 7 in parsed.day_of_week
    )


def instant_of(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The UTC time of a local one; in a gap, the moment at which the gap ends."""
    wanted = datetime.combine(day, at, zone)
    instant = wanted.astimezone(UTC)
    if is_real(wanted):
        return instant
    before = wanted.utcoffset() or timedelta()
    after = wanted.replace(fold=1).utcoffset() or timedelta()
    low, high = sorted((instant - abs(before - after), instant + abs(before - after)))
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == low.astimezone(zone).utcoffset():
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


def parse(rule: Any) -> CeleryCrontab:
    """The rule's fields as sets of numbers. Raises NeverRuns for 30 February, ValueError for what is no cron."""
    try:
        return _parsed(**{name: getattr(rule, name) for name in CRON_FIELDS})
    except (ValueError, ParseException) as error:  # the second is no ValueError of its own
        if "never occurs" in str(error):
            raise never_runs(rule) from error
        raise ValueError(_which(rule) or str(error)) from error


def _which(rule: Any) -> str:
    """The field that cannot be read, and what it takes; Celery's own text calls a bad minute a weekday."""
    for name in CRON_FIELDS:
        try:
            CeleryCrontab(**{name: getattr(rule, name)})
        except (ValueError, ParseException):
            return _wrong(rule, name)
    return ""


def _wrong(rule: Any, name: str) -> str:
    return f"{name.replace('_', ' ')} {str(getattr(rule, name))!r}: expected {_TAKES[name]}, and steps from 1"


#: Many schedules share a rule, and reading one costs more than finding its next run.
_parsed = lru_cache(1024)(CeleryCrontab)


def check_cron(rule: Any) -> None:
    """Raises NeverRuns for 30 February and its like, ValueError for what is no cron.

    Stricter than `parse`, which reads what is stored as Celery does: that takes the name of a day for a number in any
    field, so that "mon" as a minute is 1.
    """
    parse(rule)
    for name in CRON_FIELDS:
        for word in re.findall(r"[^\W\d_]+", str(getattr(rule, name)).lower()):
            if len(word) < 3 or not any(known.lower().startswith(word) for known in _NAMES.get(name, ())):
                raise ValueError(_wrong(rule, name))
    if next(_cron_runs(rule, datetime.now(UTC)), None) is None:
        raise never_runs(rule)


def never_runs(rule: Any) -> NeverRuns:
    return NeverRuns(
        f"Day {rule.day_of_month} of month {rule.month_of_year} never comes: choose days that these months have."
    )


def in_words(task: Any) -> str:
    """The rule as people say it; times are those of `zone_of`."""
    if task.crontab:
        return cron_in_words(task.crontab)
    if task.interval:
        every, period = task.interval.every, task.interval.period
        return f"Every {period.rstrip('s')}" if every == 1 else f"Every {every} {period}"
    if task.clocked:
        at = task.clocked.clocked_time.astimezone(zone_of(task))
        return f"Once, {at.day} {at:%B %Y, %H:%M}"
    return str(task.solar) if task.solar else "Never"


def cron_in_words(rule: Any) -> str:
    """Raises ValueError for what is no cron."""
    return describe(parse(rule)) or cron_line(rule)


def cron_line(rule: Any) -> str:
    """minute hour day month weekday, as one line."""
    fields = (rule.minute, rule.hour, rule.day_of_month, rule.month_of_year, rule.day_of_week)
    return " ".join(str(field).replace(" ", "") for field in fields)


def zone_of(task: Any) -> ZoneInfo:
    return ZoneInfo(str(task.crontab.timezone)) if task.crontab else ZoneInfo(settings.TIME_ZONE)
