"""What people are told of a rule before and after it is stored: words, next runs, and what clock changes do to it."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from jobs.models import Schedule
from jobs.schedules import rules
from jobs.schedules.plan import upcoming

#: [days] ahead in which clock changes are looked for.
YEAR = 366


@dataclass(frozen=True)
class Outlook:
    """words: "Daily at 02:30"; runs: the next ones in the schedule's time zone, as they will start; remarks: what may
    surprise."""

    words: str
    zone: str
    cron: str = ""
    runs: list[datetime] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


def outlook(schedule: Schedule, now: datetime | None = None, count: int = 10) -> Outlook:
    """Of a schedule, stored or not. A rule that cannot be read says why in its words, and has no runs."""
    now, task = now or datetime.now(UTC), schedule.task
    cron = rules.cron_line(task.crontab) if task.crontab else ""
    try:
        zone = rules.zone_of(task)
        runs = [run.at.astimezone(zone) for run in islice(upcoming(schedule, now), count)]
        remarks = _remarks(task, now) if task.crontab and runs else []
    except rules.UNUSABLE as error:
        why = " ".join(str(error).split())[:200]
        return Outlook(f"Cannot be used: {why}", str(task.crontab.timezone) if task.crontab else "UTC", cron)
    return Outlook(rules.in_words(task), zone.key, cron, runs, remarks)


def _remarks(task: Any, now: datetime) -> list[str]:
    parsed, zone = rules.parse(task.crontab), rules.zone_of(task)
    remarks = []
    if len(parsed.day_of_month) < 31 and len(parsed.day_of_week) < 7:
        remarks.append("It runs on days that match both the day of the month and the day of the week.")
    if len(parsed.hour) == 24:
        return remarks  # every hour runs: no clock change leaves one out
    today = now.astimezone(zone).date()
    for offset in range(YEAR):
        day = today + timedelta(days=offset)
        if rules.clock_changes(day, zone) and rules.matches(parsed, day):
            remarks += _at_change(parsed, day, zone)
    return remarks


def _at_change(parsed: Any, day: date, zone: ZoneInfo) -> list[str]:
    """28 March: 02:30 does not exist, runs 03:00. The first time of each sort speaks for the day."""
    missing = twice = ""
    for at in rules.times_of(parsed):
        local = datetime.combine(day, at, zone)
        when = f"{day.day} {day:%B}: {at:%H:%M}"
        if not rules.is_real(local):
            runs = rules.instant_of(day, at, zone).astimezone(zone)
            missing = missing or f"{when} does not exist, runs {runs:%H:%M}."
        elif local.utcoffset() != local.replace(fold=1).utcoffset():
            twice = twice or f"{when} comes twice, runs the first time."
    return [text for text in (missing, twice) if text]
