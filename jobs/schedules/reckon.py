"""Keeping `Schedule.next_run_at` true, whoever changes a PeriodicTask and how."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Model, QuerySet
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from jobs.models import AuditEntry, Schedule
from jobs.models.writing import write
from jobs.schedules.call import refusal, trouble_of
from jobs.schedules.plan import Run, first_run, is_slot, next_run

_RULES = ("crontab", "interval", "clocked", "solar")
#: All that the next run depends on.
_READ = (
    "task__enabled", "task__start_time", "task__expires", "task__one_off",
    "task__crontab__minute", "task__crontab__hour", "task__crontab__day_of_month", "task__crontab__month_of_year",
    "task__crontab__day_of_week", "task__crontab__timezone", "task__interval__every", "task__interval__period",
    "task__clocked__clocked_time", "task__solar__event", "task__solar__latitude", "task__solar__longitude",
    "jitter", "paused_until",
)  # fmt: skip
#: All that its job is made of.
_CALL = (
    "task__task", "task__args", "task__kwargs", "task__headers", "task__queue", "task__exchange", "task__routing_key",
    "task__priority", "task__expire_seconds", "owner",
)  # fmt: skip
#: Schedules that are loaded and written at a time.
_SOME = 200


def reckon(task: PeriodicTask, now: datetime | None = None, owner: Any = None) -> Schedule:
    """Make or correct the Schedule beside a PeriodicTask. A rule that cannot be read is told and never runs."""
    schedule, _ = Schedule.objects.get_or_create(task=task, defaults={"owner": owner})
    schedule.task = task
    for _, known, found in _fingerprints(Schedule.objects.filter(pk=schedule.pk)):
        if known != found:
            _plan([schedule], [found], now or timezone.now())
    return schedule


def reckon_all() -> int:
    """Find what was changed behind our back (QuerySet.update, another program); answers how many were looked at."""
    missing = PeriodicTask.objects.filter(jobsite__isnull=True).values_list("pk", flat=True)
    Schedule.objects.bulk_create([Schedule(task_id=pk) for pk in missing], batch_size=_SOME, ignore_conflicts=True)
    count, changed = 0, {}
    for pk, known, found in _fingerprints(Schedule.objects.all()):
        count += 1
        if known != found:
            changed[pk] = found
    now, pks = timezone.now(), list(changed)
    for start in range(0, len(pks), _SOME):
        schedules = list(with_task(Schedule.objects.filter(pk__in=pks[start : start + _SOME])))
        _plan(schedules, [changed[schedule.pk] for schedule in schedules], now)
    return count


def with_task(schedules: "QuerySet[Schedule]") -> "QuerySet[Schedule]":
    """With task, rule and owner, in a fixed number of queries. Not by joins: rules and owners are shared by many."""
    return schedules.select_related("task").prefetch_related(*(f"task__{rule}" for rule in _RULES), "owner")


def set_run(schedule: Schedule, run: Run | None) -> None:
    schedule.slot, schedule.next_run_at = (run.slot, run.at) if run else (None, None)


def look_again() -> None:
    """Whatever could not start is tried anew at the next reckoning: the code, or what it needs, may be another now."""
    Schedule.objects.exclude(trouble="").update(call="")


#: Hashes of what the next run, and what its job, are made of.
_Hashes = tuple[str, str]


def _fingerprints(schedules: "QuerySet[Schedule]") -> Iterator[tuple[int, _Hashes, _Hashes]]:
    """(key, those that were reckoned with, those of what is stored now)."""
    rows = schedules.values_list("pk", "rule", "call", *_READ, *_CALL).iterator(2000)
    for pk, rule, call, *values in rows:
        yield pk, (rule, call), (_fingerprint(values[: len(_READ)]), _fingerprint(values[len(_READ) :]))


def _fingerprint(values: Sequence[Any]) -> str:
    return hashlib.sha256(repr([str(value) for value in values]).encode()).hexdigest()


def _plan(schedules: Sequence[Schedule], found: Sequence[_Hashes], now: datetime) -> None:
    told = []
    for schedule, (rule, call) in zip(schedules, found, strict=True):
        if schedule.rule != rule:
            if schedule.skipped and not is_slot(schedule, schedule.skipped):
                schedule.skipped = None
            set_run(schedule, next_run(schedule, now) if schedule.rule else first_run(schedule, now))
        schedule.rule, schedule.call = rule, call
        trouble = trouble_of(schedule, now)
        if trouble and trouble != schedule.trouble:
            told.append(refusal(schedule, trouble))
        schedule.trouble = trouble
    with write():
        AuditEntry.objects.bulk_create(told)
        update_rows(Schedule, ["rule", "call", "trouble", "slot", "next_run_at", "skipped"], schedules)


def update_rows(model: type[Model], names: Sequence[str], rows: Sequence[Any], also: Sequence[str] = ()) -> None:
    """Write columns of many rows. The ORM's bulk_update is one CASE a row and column: several times slower.

    also: assignments in SQL.
    """
    columns: list[Any] = [model._meta.get_field(name) for name in names]
    changes = [*(f"{each.column} = %s" for each in columns), *also]
    values = [[*(each.get_db_prep_save(getattr(row, each.attname), connection) for each in columns), row.pk]
              for row in rows]  # fmt: skip
    with connection.cursor() as cursor:
        cursor.executemany(f"UPDATE {model._meta.db_table} SET {', '.join(changes)} WHERE id = %s", values)  # noqa: S608


def on_task_saved(sender: Any, instance: PeriodicTask, **_: Any) -> None:
    reckon(instance)


def on_rule_saved(sender: Any, instance: Any, **_: Any) -> None:
    for task in instance.periodictask_set.select_related(*_RULES):
        reckon(task)


def connect() -> None:
    """Watch saves in this process; `reckon_all` finds the rest."""
    from django.db.models.signals import post_save
    from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, SolarSchedule

    post_save.connect(on_task_saved, sender=PeriodicTask, dispatch_uid="jobsite-reckon")
    for model in (ClockedSchedule, CrontabSchedule, IntervalSchedule, SolarSchedule):
        post_save.connect(on_rule_saved, sender=model, dispatch_uid="jobsite-reckon-rule")
