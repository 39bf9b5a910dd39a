"""What starts within the next hours, from every schedule: the runs in order, and those that fall together."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, takewhile

from jobs.models import Schedule
from jobs.schedules import rules
from jobs.schedules.plan import upcoming
from jobs.schedules.reckon import with_task

#: Schedules that are asked for their runs, and lines that are made of them.
MOST_SCHEDULES, MOST_LINES = 100, 40
#: Runs beyond which a schedule has one line that says how often.
OFTEN = 6


@dataclass(frozen=True)
class Line:
    """One run; or, with `often` ("Every 5 minutes"), the first of many."""

    at: datetime
    schedule: Schedule
    often: str = ""
    #: Other schedules that start in the same minute.
    together: int = 0


def agenda(now: datetime, ahead: timedelta = timedelta(hours=24)) -> list[Line]:
    """The first MOST_LINES lines of what starts between `now` and `ahead` later, soonest first."""
    due = Schedule.objects.filter(next_run_at__gt=now, next_run_at__lte=now + ahead, task__enabled=True)
    lines: list[Line] = []
    for schedule in with_task(due.order_by("next_run_at"))[:MOST_SCHEDULES]:
        lines += _lines(schedule, now + ahead)
    at_once = Counter(_minute(line.at) for line in lines)
    marked = [Line(line.at, line.schedule, line.often, at_once[_minute(line.at)] - 1) for line in lines]
    return sorted(marked, key=lambda line: (line.at, line.schedule.pk))[:MOST_LINES]


def _lines(schedule: Schedule, end: datetime) -> list[Line]:
    first = schedule.next_run_at
    assert first is not None
    try:
        runs = [run.at for run in islice(takewhile(lambda run: run.at <= end, upcoming(schedule, first)), OFTEN + 1)]
    except rules.UNUSABLE:
        runs = [first]  # the page Schedules says what is wrong with the rule
    if len(runs) > OFTEN:
        return [Line(first, schedule, rules.in_words(schedule.task))]
    return [Line(run, schedule) for run in runs]


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)
