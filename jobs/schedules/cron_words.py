"""A cron rule in words, made from the times that it has: rules with the same runs have the same words, however written.

What cannot be said in a few words is not said: the rule itself is shown then.
"""

from collections.abc import Sequence
from typing import Any

#: Times, days or months that are named one by one.
_MOST = 8
WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def describe(parsed: Any) -> str:
    """parsed: Celery's crontab. "Daily at 02:30", "Every 15 minutes from 08:00 to 18:45, Monday through Friday"; ""
    where it takes too many words."""
    times = _times(sorted(parsed.minute), sorted(parsed.hour))
    days = _days(sorted(parsed.day_of_month), sorted(parsed.day_of_week))
    months = _months(sorted(parsed.month_of_year))
    if not times or days is None or months is None:
        return ""
    if not days and not months and times.startswith("At "):
        return f"Daily at {times.removeprefix('At ')}"
    return ", ".join(part for part in (times, days, months) if part)


def _times(minutes: list[int], hours: list[int]) -> str:
    step = _step(minutes, 60)
    often = "" if step is None else "Every minute" if step == 1 else f"Every {step} minutes"
    if len(hours) == 24:
        if minutes == [0]:
            return "Every hour"
        return often or (f"Every hour at {_listed([f':{minute:02}' for minute in minutes])}" if _few(minutes) else "")
    if len(minutes) == 1:
        minute, hour_step = minutes[0], _step(hours, 24)
        if hour_step is not None and len(hours) > 2:
            return f"Every {hour_step} hours" + (f" from 00:{minute:02}" if minute else "")
        if len(hours) > 4 and _is_run(hours):
            return f"Every hour from {hours[0]:02}:{minute:02} to {hours[-1]:02}:{minute:02}"
    if len(minutes) * len(hours) <= _MOST:
        return f"At {_listed([f'{hour:02}:{minute:02}' for hour in hours for minute in minutes])}"
    if often and hours[-1] - hours[0] == len(hours) - 1:
        return f"{often} from {hours[0]:02}:00 to {hours[-1]:02}:{minutes[-1]:02}"
    return ""


def _days(days: list[int], weekdays: list[int]) -> str | None:
    """Empty for every day, None for too many words. Celery wants day of the month and day of the week both to match."""
    of_month = of_week = ""
    if len(days) < 31:
        if not _few(days) and not _is_run(days):
            return None
        named = f"{days[0]} through {days[-1]}" if _is_run(days) else _listed(list(map(str, days)))
        of_month = f"on day{'s' if len(days) > 1 else ''} {named} of the month"
    if len(weekdays) < 7:
        from_monday = sorted(weekdays, key=lambda day: (day - 1) % 7)
        names = [WEEKDAYS[day] for day in from_monday]
        if of_month:
            return f"{of_month}, where that is a {_listed(names, 'or')}"
        is_run = _is_run([(day - 1) % 7 for day in from_monday])
        of_week = f"{names[0]} through {names[-1]}" if is_run else f"on {_listed(names)}"
    return of_month or of_week


def _months(months: list[int]) -> str | None:
    if len(months) == 12:
        return ""
    names = [MONTHS[month - 1] for month in months]
    if _is_run(months):
        return f"from {names[0]} through {names[-1]}"
    return f"only in {_listed(names)}" if _few(months) else None


def _step(numbers: Sequence[int], of: int) -> int | None:
    """n of 0, n, 2n … where that goes on evenly beyond the hour or the day; None for any others."""
    step = numbers[1] - numbers[0] if len(numbers) > 1 else of
    return step if step < of and of % step == 0 and list(numbers) == list(range(0, of, step)) else None


def _is_run(numbers: Sequence[int]) -> bool:
    """Three or more, one behind the other."""
    return len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1


def _few(numbers: Sequence[int]) -> bool:
    return len(numbers) <= _MOST


def _listed(texts: list[str], word: str = "and") -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} {word} {texts[-1]}"
