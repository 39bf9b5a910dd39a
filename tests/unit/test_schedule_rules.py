"""When schedules run: cron as Celery reads it, clock changes, leap days, intervals, spans."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice, pairwise
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.schedules import rules
from jobs.schedules.outlook import outlook
from jobs.schedules.plan import is_slot, next_run

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def rule(line, zone="Europe/Berlin"):
    minute, hour, day, month, weekday = line.split()
    return SimpleNamespace(
        minute=minute, hour=hour, day_of_month=day, month_of_year=month, day_of_week=weekday, timezone=zone
    )


def task(cron=None, *, zone="Europe/Berlin", every=None, period="minutes", clocked=None, **more):
    """What the rules read of a PeriodicTask."""
    values = {
        "crontab": rule(cron, zone) if cron else None,
        "interval": SimpleNamespace(every=every, period=period) if every is not None else None,
        "clocked": SimpleNamespace(clocked_time=clocked) if clocked else None,
        "solar": None, "enabled": True, "start_time": None, "expires": None, "one_off": False, "last_run_at": None,
        "date_changed": NOW, "name": "Nightly", "task": "jobs.add", "crontab_id": None, "interval_id": None,
        "clocked_id": None,
    }  # fmt: skip
    return SimpleNamespace(**{**values, **more})


def schedule(of, **more):
    """What is read of the Schedule beside it."""
    values = {"next_run_at": None, "slot": None, "jitter": 0, "paused_until": None, "skipped": None}
    return SimpleNamespace(task=of, **{**values, **more})


def local(line, moment, count, zone="Europe/Berlin"):
    runs = rules.next_runs(task(line, zone=zone), moment, count)
    return [f"{run:%Y-%m-%d %H:%M%z}" for run in runs]


def test_day_of_month_and_day_of_week_must_both_match():
    runs = rules.next_runs(task("0 8 13 * 5"), NOW, 4)
    assert [(run.day, run.isoweekday()) for run in runs] == [(13, 5)] * 4
    assert f"{runs[0]:%Y-%m}" == "2027-08"
    assert "both" in outlook(schedule(task("0 8 13 * 5")), NOW).remarks[0]


def test_a_time_that_the_clock_skips_runs_when_the_gap_ends():
    before = datetime(2027, 3, 26, 12, tzinfo=UTC)
    assert local("30 2 * * *", before, 3) == ["2027-03-27 02:30+0100", "2027-03-28 03:00+0200", "2027-03-29 02:30+0200"]


def test_a_time_that_comes_twice_runs_the_first_time():
    before = datetime(2027, 10, 29, 12, tzinfo=UTC)
    assert local("30 2 * * *", before, 3) == ["2027-10-30 02:30+0200", "2027-10-31 02:30+0200", "2027-11-01 02:30+0100"]


@pytest.mark.parametrize("start", [datetime(2027, 3, 27, 20, tzinfo=UTC), datetime(2027, 10, 30, 20, tzinfo=UTC)])
def test_what_runs_every_hour_runs_every_hour_through_clock_changes(start):
    for line, step in (("*/20 * * * *", 20), ("5 * * * *", 60)):
        runs = rules.next_runs(task(line), start, 40)
        assert {after - before for before, after in pairwise(run.astimezone(UTC) for run in runs)} == {
            timedelta(minutes=step)
        }


def test_a_gap_at_midnight_moves_the_run_behind_it():
    # Chile's clocks go from 24:00 to 01:00.
    runs = local("30 0 * * *", datetime(2026, 9, 5, 12, tzinfo=UTC), 2, "America/Santiago")
    assert runs == ["2026-09-06 01:00-0300", "2026-09-07 00:30-0300"]


def test_29_february_waits_for_leap_years_even_eight():
    runs = rules.next_runs(task("0 0 29 2 *"), datetime(2096, 3, 1, tzinfo=UTC), 2)
    assert [run.year for run in runs] == [2104, 2108]


@pytest.mark.parametrize("line", ["0 0 30 2 *", "0 0 31 2,4,6 *"])
def test_days_that_never_come_are_told(line):
    with pytest.raises(rules.NeverRuns, match="never comes"):
        rules.check_cron(rule(line))


@pytest.mark.parametrize("line", ["61 * * * *", "* 24 * * *", "x * * * *", "1,,2 * * * *", "*/0 * * * *", "* * 0 * *"])
def test_what_is_no_cron_is_refused(line):
    with pytest.raises(ValueError):
        rules.check_cron(rule(line))


def test_intervals_are_counted_from_the_start():
    start = NOW - timedelta(minutes=7)
    assert rules.next_runs(task(every=5, start_time=start), NOW, 2) == [
        start + timedelta(minutes=10), start + timedelta(minutes=15),
    ]  # fmt: skip
    ahead = NOW + timedelta(hours=3)
    assert rules.next_runs(task(every=5, start_time=ahead), NOW, 2) == [ahead, ahead + timedelta(minutes=5)]
    assert rules.next_runs(task(every=2, period="seconds"), NOW, 1) == [NOW + timedelta(seconds=2)]
    last = NOW - timedelta(hours=10)
    assert rules.next_runs(task(every=3, period="hours", last_run_at=last), NOW, 1) == [last + timedelta(hours=12)]


@pytest.mark.parametrize(
    ("of", "why"),
    [(task(every=0), "every 0 minutes"), (task(every=-5), "every -5 minutes"), (task(), "no rule")],
)  # fmt: skip
def test_a_rule_that_cannot_run_says_why(of, why):
    with pytest.raises(ValueError, match=why):
        next(rules.runs_after(of, NOW))
    assert next_run(schedule(of), NOW) is None
    told = outlook(schedule(of), NOW)
    assert told.words.startswith("Cannot be used: ") and why in told.words and told.runs == []


def test_start_and_end_bound_the_runs():
    start, end = NOW + timedelta(days=2), NOW + timedelta(days=4)
    runs = rules.next_runs(task("0 9 * * *", start_time=start, expires=end), NOW, 9)
    assert len(runs) == 2 and start <= runs[0] and runs[-1] <= end
    exactly = datetime(2026, 11, 23, 9, 0, tzinfo=BERLIN)
    assert rules.next_runs(task("0 9 * * *", start_time=exactly, expires=exactly), NOW, 9) == [exactly]


def test_once_is_once():
    at = NOW + timedelta(hours=1)
    assert rules.next_runs(task(clocked=at, one_off=True), NOW, 5) == [at]
    assert rules.next_runs(task(clocked=at, one_off=True), at, 5) == []
    assert len(rules.next_runs(task(every=1, one_off=True), NOW, 5)) == 1


def test_what_is_off_has_no_next_run_but_shows_what_it_would_be():
    off = task("0 9 * * *", enabled=False)
    assert next_run(schedule(off), NOW) is None
    assert len(outlook(schedule(off), NOW, 5).runs) == 5


@pytest.mark.parametrize(
    ("line", "words"),
    [("30 2 * * *", "Daily at 02:30"), ("*/5 * * * *", "Every 5 minutes"),
     ("0 9 * * 1-5", "At 09:00, Monday through Friday"), ("0 0 29 2 *", "only in February")],
)  # fmt: skip
def test_rules_in_words(line, words):
    assert words in rules.in_words(task(line))


def test_clock_changes_are_told_before_they_come():
    remarks = outlook(schedule(task("30 2 * * *")), NOW).remarks
    assert remarks == [
        "28 March: 02:30 does not exist, runs 03:00.",
        "31 October: 02:30 comes twice, runs the first time.",
    ]
    assert outlook(schedule(task("30 2 * * *", zone="UTC")), NOW).remarks == []
    assert outlook(schedule(task("30 12 * * *")), NOW).remarks == []
    assert outlook(schedule(task("30 * * * *")), NOW).remarks == []


NUMBERS = {"minute": (0, 59), "hour": (0, 23), "day": (1, 31), "month": (1, 12), "weekday": (0, 6)}


def part(low, high):
    number = st.integers(low, high)
    return st.one_of(
        st.just("*"),
        number.map(str),
        st.integers(1, high).map(lambda step: f"*/{step}"),
        st.lists(number, min_size=1, max_size=4, unique=True).map(lambda many: ",".join(map(str, sorted(many)))),
        st.tuples(number, number).map(lambda ends: f"{min(ends)}-{max(ends)}"),
    )


@settings(max_examples=150, deadline=None)
@given(
    parts=st.tuples(*(part(*ends) for ends in NUMBERS.values())),
    moment=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1)),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo"]),
)
def test_runs_ascend_strictly_and_match_their_rule(parts, moment, zone):
    line = " ".join(parts)
    moment = moment.replace(tzinfo=UTC)
    try:
        parsed = rules.parse(rule(line, zone))
    except rules.NeverRuns:
        return
    found = list(islice(rules.runs_after(task(line, zone=zone), moment), 12))
    assert all(before < after for before, after in pairwise([moment, *found]))
    for run in found:
        there = run.astimezone(ZoneInfo(zone))
        if not rules.clock_changes(there.date(), ZoneInfo(zone)):
            assert there.hour in parsed.hour and there.minute in parsed.minute and there.second == 0
            assert rules.matches(parsed, there.date())
    again = next(rules.runs_after(task(line, zone=zone), found[0])) if len(found) > 1 else None
    assert len(found) < 2 or again == found[1]


def solar(event, latitude="52.52", longitude="13.40"):
    where = SimpleNamespace(event=event, latitude=Decimal(latitude), longitude=Decimal(longitude))
    return task(None, solar=where)


@pytest.mark.parametrize("event", ["sunrise", "sunset", "solar_noon", "dawn_civil", "dusk_astronomical"])
def test_solar_runs_are_those_after_the_moment_asked_for_whenever_that_is(event):
    """Walked from each run to the next, and reckoned from any moment between two, they are the same."""
    pytest.importorskip("ephem")
    runs = rules.next_runs(solar(event), datetime(2030, 3, 1, tzinfo=UTC), 5)
    for one, other in pairwise(runs):
        assert timedelta(hours=23) < other - one < timedelta(hours=25)
        for share in (0.0, 0.001, 0.5, 0.999):
            assert rules.next_runs(solar(event), one + (other - one) * share, 1)[0] == other
        for before in (timedelta(microseconds=1), timedelta(milliseconds=20), timedelta(seconds=59)):
            assert rules.next_runs(solar(event), other - before, 1)[0] == other, "none is missed just before it"
        assert is_slot(schedule(solar(event)), other), "a skip of it outlives a change of the schedule"
    if event == "solar_noon":  # 13.4° east: 6 minutes before noon of UTC+1, and the equation of time is 12 minutes then
        assert all("11:1" in f"{run.astimezone(UTC):%H:%M}" for run in runs)


def test_what_the_sun_does_not_do_each_day_comes_when_it_does():
    pytest.importorskip("ephem")
    runs = rules.next_runs(solar("sunrise", "69.65", "18.96"), datetime(2026, 12, 1, tzinfo=UTC), 2)
    assert [(run.month, run.year) for run in runs] == [(1, 2027), (1, 2027)], "the polar night of Tromsø"


@pytest.mark.parametrize(("line", "moment", "year"), [
    ("0 9 29 2 1", datetime(2026, 12, 1, tzinfo=UTC), 2044),
    ("0 9 29 2 1", datetime(2072, 3, 1, tzinfo=UTC), 2112),
])  # fmt: skip
def test_a_day_that_comes_once_in_decades_is_no_day_that_never_comes(line, moment, year):
    rules.check_cron(rule(line))
    assert rules.next_runs(task(line), moment, 1)[0].year == year
