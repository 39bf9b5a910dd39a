"""Schedules that come from code, by CELERY_BEAT_SCHEDULE or add_periodic_task: taken into the table when the scheduler
starts, as stock beat does; and where code and table differ since."""

import hashlib
import json
import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from celery import current_app, schedules
from django.db import transaction
from django_celery_beat.clockedschedule import clocked
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from kombu.utils import json as kombu_json

from jobs.core.outcome import clean
from jobs.core.plain import strict_json
from jobs.core.redaction import masked
from jobs.models import AuditEntry, Schedule
from jobs.models.job import Via
from jobs.schedules import rules
from jobs.schedules.plan import CLEANUP
from jobs.schedules.rows import WRITTEN, shared

log = logging.getLogger(__name__)

_OPTIONS = ("queue", "exchange", "routing_key", "priority", "headers", "expire_seconds", "expires")
#: Columns of a PeriodicTask that an entry may name beside those, as with stock beat.
_MORE = ("enabled", "description", "one_off", "start_time", "expires")
#: What is shown of a schedule that comes from code, and compared; arguments and headers are compared by their digest.
_SHOWN = ("task", "queue", "exchange", "routing_key", "priority", "expire_seconds")
_JSON = ("args", "kwargs", "headers")


def entries() -> dict[str, Any]:
    """All that the code asks for, by name."""
    current_app.loader.import_default_modules()
    current_app.finalize()
    cleanup = {"task": CLEANUP, "schedule": schedules.crontab("0", "4"), "options": {"expire_seconds": 12 * 3600}}
    needed = current_app.conf.result_expires and not current_app.backend.supports_autoexpire
    return {**({CLEANUP: cleanup} if needed else {}), **current_app.conf.beat_schedule}


def take_in() -> None:
    """Store what the code asks for: where the table differs, the code wins, but for what it does not name, such as
    whether the schedule is on. What is no longer in the code goes on, and is told as that."""
    asked = entries()
    for name, entry in asked.items():
        try:
            columns, rule, dropped = read(name, entry)
        except ValueError as error:
            log.error("the schedule %r cannot be taken from the code: %s", name, error)
        else:
            with transaction.atomic():
                _store(columns, rule, dropped)
    from_code: Any = Schedule.objects.filter(code__isnull=False).values_list("pk", "task__name", "code")
    for pk, name, code in from_code:
        if name not in asked and isinstance(code, dict) and not code.get("gone"):
            Schedule.objects.filter(pk=pk).update(code={**code, "gone": True})


@cache
def unusable() -> dict[str, str]:
    """{name: why} of what this process's code asks for and no table can hold."""
    found = {}
    for name, entry in entries().items():
        try:
            read(name, entry)
        except ValueError as error:
            found[str(name)[:200]] = clean(error)[:500]
    return found


def differences(schedule: Schedule) -> list[tuple[str, str, str]]:
    """(what, as the code has it, as the table has it); [] for a schedule that does not come from code."""
    code, table = schedule.in_code, _shown(schedule.task)
    if not code or code.get("gone"):
        return []
    found = [(name, code.get(name), table[name]) for name in ("when", *_SHOWN) if code.get(name) != table[name]]
    digests = code.get("digests")
    other = [name for name in _JSON if not isinstance(digests, dict) or digests.get(name) != _digest(table[name])]
    found += [(name, code.get(name), table[name]) for name in other]
    return [(name.replace("_", " "), _text(in_code), _text(in_table)) for name, in_code, in_table in found]


def _store(columns: dict[str, Any], rule: "Rule", dropped: list[str]) -> None:
    name = columns["name"]
    task = PeriodicTask.objects.filter(name=name).first()
    new = task is None
    task = task or PeriodicTask()
    before = {} if new else {**_shown(task), **{key: getattr(task, key) for key in _MORE}}
    for key, value in columns.items():
        setattr(task, key, value)
    if rule.when != before.get("when"):
        task.interval = task.crontab = task.solar = task.clocked = None
        setattr(task, rule.field, shared(rule.model, **rule.columns))
    if task.expire_seconds is not None:
        task.expires = None  # django-celery-beat keeps one of the two
    task.one_off = task.one_off or rule.field == "clocked"
    after = {**_shown(task), **{key: getattr(task, key) for key in _MORE}}
    changed = [key for key, value in after.items() if new or value != before[key]]
    if new or changed:
        task.save(update_fields=None if new else WRITTEN)
    if changed and not new:
        AuditEntry.record(None, "change schedule", target=name, via=Via.SCHEDULE, as_in_code=changed)
    shown = _shown(task)
    code = {**shown, "digests": {key: _digest(shown[key]) for key in _JSON}, "dropped": dropped}
    Schedule.objects.get_or_create(task=task)
    Schedule.objects.filter(task=task).update(code={**code, **{key: masked(shown[key]) for key in _JSON}})


class Rule:
    """A Celery schedule as a row of one of django-celery-beat's tables. Raises ValueError where none can hold it."""

    def __init__(self, schedule: Any):
        self.columns: dict[str, Any]
        schedule = schedules.maybe_schedule(schedule) if isinstance(schedule, int | float | timedelta) else schedule
        if isinstance(schedule, schedules.crontab):
            self.field, self.model = "crontab", CrontabSchedule
            self.columns = {name: _cron_text(getattr(schedule, f"_orig_{name}")) for name in rules.CRON_FIELDS}
            self.columns["timezone"] = ZoneInfo(str(schedule.tz))
        elif isinstance(schedule, schedules.solar):
            self.field, self.model = "solar", SolarSchedule
            self.columns = {"event": schedule.event, "latitude": schedule.lat, "longitude": schedule.lon}
        elif isinstance(schedule, clocked):
            self.field, self.model = "clocked", ClockedSchedule
            self.columns = {"clocked_time": schedule.clocked_time}
        elif isinstance(schedule, schedules.schedule):
            self.field, self.model = "interval", IntervalSchedule
            self.columns = _interval(schedule.run_every)
        else:
            raise ValueError(f"its schedule is a {type(schedule).__name__}, which no table holds")

    @property
    def when(self) -> str:
        return _when(PeriodicTask(**{self.field: self.model(**self.columns)}))


def read(name: str, entry: Mapping[str, Any]) -> tuple[dict[str, Any], Rule, list[str]]:
    """(columns of the PeriodicTask, its rule, names of options that the table has no place for). Raises ValueError."""
    if len(name) > 200:
        raise ValueError(f"its name has {len(name)} characters, and 200 are the most: give it a name of its own")
    entry, options = dict(entry), dict(entry.get("options") or {})
    more = {key: entry[key] for key in entry.keys() & set(_MORE)}
    strange = sorted(entry.keys() - {*_MORE, "task", "schedule", "args", "kwargs", "options", "relative", "name"})
    if strange or not isinstance(entry.get("task"), str):
        raise ValueError(f"it has {', '.join(strange)}, which no schedule has" if strange else "it names no task")
    if isinstance(options.get("expires"), int | float):
        options["expire_seconds"] = int(options.pop("expires"))
    elif isinstance(options.get("expires"), datetime):
        more["expires"] = options.pop("expires")
    columns = {
        "name": name,
        "task": entry["task"],
        "args": _json("args", list(entry.get("args") or ())),
        "kwargs": _json("kwargs", dict(entry.get("kwargs") or {})),
        "headers": _json("headers", dict(options.get("headers") or {})),
        "priority": options.get("priority"),
        "expire_seconds": options.get("expire_seconds"),
        **{key: _named(options.get(key)) for key in ("queue", "exchange", "routing_key")},
        **more,
    }
    if columns["expire_seconds"] is not None and columns.get("expires"):
        raise ValueError("it has both expires and expire_seconds: one of them can be kept")
    try:
        rule = Rule(entry.get("schedule"))
    except rules.UNUSABLE as error:
        raise ValueError(str(error)) from error
    return columns, rule, sorted(key for key in options if key not in _OPTIONS)


def _interval(run_every: Any) -> dict[str, Any]:
    seconds = run_every.total_seconds()
    whole = seconds == int(seconds)
    every = int(seconds) if whole else round(seconds * 1_000_000)
    if not 0 < every < 2**31:
        raise ValueError(f"every {seconds} seconds: expected at least a microsecond, and with fractions half an hour")
    return {"every": every, "period": "seconds" if whole else "microseconds"}


def _cron_text(value: Any) -> str:
    """Celery takes a set of numbers as well, or any other iterable."""
    return str(value) if isinstance(value, str | int) else ",".join(map(str, sorted(value)))


def _json(name: str, value: Any) -> str:
    try:
        return kombu_json.dumps(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"its {name} cannot be written as JSON: {error}") from error


def _named(value: Any) -> str | None:
    """A queue or exchange may be given as kombu's object."""
    return str(getattr(value, "name", value)) if value else None


def _shown(task: PeriodicTask) -> dict[str, Any]:
    return {
        "when": _when(task),
        **{name: getattr(task, name) for name in _SHOWN},
        **{name: _parsed(getattr(task, name), [] if name == "args" else {}) for name in _JSON},
    }


def _when(task: PeriodicTask) -> str:
    if task.crontab:
        return f"{rules.cron_line(task.crontab)} {task.crontab.timezone}"
    if task.interval:
        return f"every {task.interval.every} {task.interval.period}"
    if task.solar:
        return f"{task.solar.event} at {float(task.solar.latitude):g}, {float(task.solar.longitude):g}"
    return f"once, {task.clocked.clocked_time.isoformat()}" if task.clocked else ""


def _parsed(text: str | None, empty: Any) -> Any:
    try:
        return strict_json(text) if text else empty
    except ValueError:
        return text


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(masked(value), ensure_ascii=False)
