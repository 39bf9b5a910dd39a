"""A year of each rule through the clock changes of three zones, held against every minute of that year.

Berlin and New York move by an hour, Lord Howe by half of one, and in the southern spring.
"""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest

from jobs.schedules import rules
from tests.unit.test_schedule_rules import NOW, task

ZONES = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]
MINUTE, YEAR = timedelta(minutes=1), 2027


@cache
def minutes_of(zone):
    """{local day: [(local time, instant)] in the order in which they come} of the year."""
    there = ZoneInfo(zone)
    found = {}
    instant = datetime(YEAR, 1, 1, tzinfo=there).astimezone(UTC)
    end = datetime(YEAR + 1, 1, 1, tzinfo=there).astimezone(UTC)
    while instant < end:
        local = instant.astimezone(there)
        found.setdefault(local.date(), []).append((local.time(), instant))
        instant += MINUTE
    return found


def year_of(planned, zone):
    """Its runs within the year."""
    there = ZoneInfo(zone)
    begin, end = (datetime(year, 1, 1, tzinfo=there).astimezone(UTC) for year in (YEAR, YEAR + 1))
    return list(takewhile(lambda run: run < end, rules.runs_after(planned, begin - MINUTE)))


def first_at_or_after(day, at):
    """When a wall clock first shows that time on a day; where it leaves it out, when it first shows a later one."""
    shown = [instant for local, instant in day if local == at]
    return shown[0] if shown else min(instant for local, instant in day if local > at)


def odd_days(zone):
    return [day for day, shown in minutes_of(zone).items() if len(shown) != 24 * 60]


@pytest.mark.parametrize("zone", ZONES)
def test_the_year_has_a_day_that_lacks_minutes_and_one_that_has_them_twice(zone):
    lengths = [len(minutes_of(zone)[day]) - 24 * 60 for day in odd_days(zone)]
    shift = 30 if zone == "Australia/Lord_Howe" else 60
    assert sorted(lengths) == [-shift, shift]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    "at", ["00:00", "01:00", "01:30", "01:45", "02:00", "02:15", "02:29", "02:30", "03:00", "23:59"]
)
def test_a_daily_rule_runs_exactly_once_on_each_local_day(zone, at):
    at = time.fromisoformat(at)
    found = year_of(task(f"{at.minute} {at.hour} * * *", zone=zone), zone)
    days = [run.astimezone(ZoneInfo(zone)).date() for run in found]
    assert days == [date(YEAR, 1, 1) + timedelta(days=number) for number in range(365)]
    assert found == [first_at_or_after(shown, at) for shown in minutes_of(zone).values()]


@pytest.mark.parametrize("zone", ZONES)
def test_several_times_a_day_each_run_once_and_those_that_a_change_leaves_out_run_together(zone):
    found = year_of(task("15,45 1-3 * * *", zone=zone), zone)
    times = [time(hour, minute) for hour in (1, 2, 3) for minute in (15, 45)]
    wanted = {first_at_or_after(shown, at) for shown in minutes_of(zone).values() for at in times}
    assert found == sorted(wanted)


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("line", ["*/20 * * * *", "7 * * * *"])
def test_what_runs_every_hour_runs_whenever_a_wall_clock_shows_its_minute(zone, line):
    there = 20 if line.startswith("*") else 60
    wanted = [
        instant
        for shown in minutes_of(zone).values()
        for local, instant in shown
        if local.minute % there == (0 if there == 20 else 7)
    ]
    assert year_of(task(line, zone=zone), zone) == wanted


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(("every", "period"), [(30, "minutes"), (90, "minutes"), (7, "hours"), (1, "days")])
def test_an_interval_takes_no_notice_of_clocks(zone, every, period):
    step = timedelta(**{period: every})
    found = year_of(task(every=every, period=period, start_time=NOW), zone)
    assert {after - before for before, after in pairwise(found)} == {step}
    assert abs(len(found) - timedelta(days=365) / step) <= 1
