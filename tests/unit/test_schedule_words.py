"""Cron rules in words: what they say is what runs, however the rule is written; errors name the field that is wrong."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django_celery_beat.models import CrontabSchedule
from hypothesis import assume, given
from hypothesis import strategies as st

from jobs.schedules import rules
from jobs.schedules.forms import ScheduleForm
from jobs.schedules.target import target_named
from tests.unit.test_schedule_rules import rule, task

pytestmark = pytest.mark.django_db

MONDAY = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("*/90 * * * *", "Every hour"),
        ("0-59/61 * * * *", "Every hour"),
        ("*/45 * * * *", "Every hour at :00 and :45"),
        ("1-10/3,5 * * * *", "Every hour at :01, :04, :05, :07 and :10"),
        ("*/7 * * * *", "*/7 * * * *"),  # nine times seven minutes are more than an hour
        ("*/15 * * * *", "Every 15 minutes"),
        ("0,30 * * * *", "Every 30 minutes"),
        ("* * * * *", "Every minute"),
        ("0 */7 * * *", "Daily at 00:00, 07:00, 14:00 and 21:00"),
        ("0 */6 * * *", "Every 6 hours"),
        ("30 */2 * * *", "Every 2 hours from 00:30"),
        ("15 8-18 * * *", "Every hour from 08:15 to 18:15"),
        ("*/15 8-18 * * 1-5", "Every 15 minutes from 08:00 to 18:45, Monday through Friday"),
        ("* 8 * * *", "Every minute from 08:00 to 08:59"),
        ("*/5 9,10 * * *", "Every 5 minutes from 09:00 to 10:55"),
        ("0 9 * */5 *", "At 09:00, only in January, June and November"),
        ("0 9 * 3-10 *", "At 09:00, from March through October"),
        ("0 9 */7 * *", "At 09:00, on days 1, 8, 15, 22 and 29 of the month"),
        ("0 9 1-7 * 1", "At 09:00, on days 1 through 7 of the month, where that is a Monday"),
        ("0 9 13 * 5", "At 09:00, on day 13 of the month, where that is a Friday"),
        ("0 9 * * */2", "At 09:00, on Tuesday, Thursday, Saturday and Sunday"),
        ("0 9 * * 5-0", "At 09:00, Friday through Sunday"),
        ("0 9 * * 1,4", "At 09:00, on Monday and Thursday"),
        ("0 0 29 2 *", "At 00:00, on day 29 of the month, only in February"),
        ("5,17,23 1,2,3,4 * * *", "5,17,23 1,2,3,4 * * *"),
    ],
)
def test_words_are_those_of_the_runs(line, words):
    assert rules.in_words(task(line, zone="UTC")) == words


def numbers(low, high):
    number = st.integers(low, high)
    step = st.integers(1, high + 40)
    spans = st.tuples(number, number).map(sorted).map(lambda ends: f"{ends[0]}-{ends[1]}")
    parts = st.one_of(
        number.map(str), st.just("*"), step.map(lambda n: f"*/{n}"), spans,
        st.tuples(spans, step).map(lambda both: f"{both[0]}/{both[1]}"),
    )  # fmt: skip
    return st.lists(parts, min_size=1, max_size=3).map(",".join)


@given(minute=numbers(0, 59), hour=numbers(0, 23))
def test_read_back_the_words_name_the_runs_of_a_day(minute, hour):
    """Of any rule that has words, a day's runs as somebody would read them are those that come."""
    line = f"{minute} {hour} * * *"
    told = rules.in_words(task(line, zone="UTC"))
    assume(told != line)
    runs = []
    for run in rules.runs_after(task(line, zone="UTC"), MONDAY - timedelta(seconds=1)):
        if run >= MONDAY + timedelta(days=1):
            break
        runs.append(f"{run:%H:%M}")
    assert read_back(told) == runs


def read_back(words):
    """The times of a day, from words alone."""
    every_minute = [f"{hour:02}:{minute:02}" for hour in range(24) for minute in range(60)]
    if words.startswith("Daily at "):
        return re.findall(r"\d\d:\d\d", words)
    if listed := re.match(r"Every hour at (.*)", words):
        return [at for at in every_minute if at[2:] in re.findall(r":\d\d", listed[1])]
    found = re.fullmatch(r"Every (?:(\d+) )?(minute|hour)s?(?: from (\d\d:\d\d)(?: to (\d\d:\d\d))?)?", words)
    assert found, words
    number, unit, first, last = found.groups()
    step = int(number or 1) * (60 if unit == "hour" else 1)
    return every_minute[every_minute.index(first or "00:00") : every_minute.index(last or "23:59") + 1 : step]


def form(cron):
    values = {"name": "x", "rule": "cron", "cron": cron, "timezone": "UTC", "enabled": "on"}
    return ScheduleForm(values, target=target_named("add"))


@pytest.mark.parametrize(
    ("weekday", "stored", "days"),
    [("7", "0", {0}), ("5-7", "5-0", {5, 6, 0}), ("0-7", "0-6", set(range(7))), ("1-7/2", "1-0/2", {1, 3, 5, 0}),
     ("1,7", "1,0", {1, 0}), ("*/7", "*/7", {0}), ("7-7", "0-0", {0}), ("07", "0", {0}), ("7-2", "0-2", {0, 1, 2}),
     ("sun-7", "0-6", set(range(7))), ("mon,7", "mon,0", {1, 0}), ("0-7/2", "0-6/2", {0, 2, 4, 6}),
     ("Mon-Friday", "Mon-Friday", {1, 2, 3, 4, 5})],
)  # fmt: skip
def test_7_is_sunday_too(weekday, stored, days):
    filled = form(f"0 9 * * {weekday}")
    assert filled.is_valid(), filled.errors
    assert filled.cleaned_data["crontab"].day_of_week == stored
    assert set(rules.parse(filled.cleaned_data["crontab"]).day_of_week) == days


@pytest.mark.parametrize(
    ("cron", "field"),
    [("61 * * * *", "minute '61'"), ("x * * * *", "minute 'x'"), ("* 24 * * *", "hour '24'"),
     ("* * 0 * *", "day of month '0'"), ("* * * 13 *", "month of year '13'"), ("* * * jam *", "month of year 'jam'"),
     ("* * * * 8", "day of week '8'"), ("* * * * 7#2", "day of week '7#2'"), ("1,,2 * * * *", "minute '1,,2'"),
     ("*/0 * * * *", "minute '*/0'"), ("mon * * * *", "minute 'mon'"), ("* * * mon *", "month of year 'mon'"),
     ("* * * * jan", "day of week 'jan'"), ("* * jan * *", "day of month 'jan'"),
     ("* * * * monkey", "day of week 'monkey'"),
     ("* * * * 7/2", "day of week '7/2'"), ("* * * * 7-9", "day of week '7-9'"), ("* * 0 * 7", "day of month '0'")],
)  # fmt: skip
def test_an_error_names_the_field_that_is_wrong(cron, field):
    told = " ".join(form(cron).errors["cron"])
    assert f"This cannot be read: {field}" in told and "weekday" not in told


def test_an_error_says_what_the_field_takes():
    with pytest.raises(ValueError, match=r"^hour '\*/x': expected numbers from 0 to 23, and steps from 1$"):
        rules.parse(rule("0 */x * * *"))


def test_the_admins_list_of_rules_has_the_same_words(admin_client):
    CrontabSchedule.objects.create(minute="*/90")
    odd = CrontabSchedule.objects.create(minute="61")
    listed = admin_client.get("/admin/django_celery_beat/crontabschedule/").text
    assert "Every hour" in listed and "90 minutes" not in listed and "61 * * * *" in listed
    assert admin_client.get(f"/admin/django_celery_beat/crontabschedule/{odd.pk}/change/").status_code == 200
    assert admin_client.get("/admin/django_celery_beat/crontabschedule/add/").status_code == 200
