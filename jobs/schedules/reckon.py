"""Keeping `Schedule.next_run_at` true, whoever changes a PeriodicTask and how."""

import logging
from datetime import datetime
from typing import Any

from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from jobs.models import Schedule
from jobs.schedules import rules

log = logging.getLogger(__name__)

_RULES = ("crontab", "interval", "clocked", "solar")
#: Celery's own clean-up of results, which django-celery-beat adds by itself: Jobsite prunes its own (keeper/prune.py).
FOREIGN_CLEANUP = "celery.backend_cleanup"


def reckon(task: PeriodicTask, now: datetime | None = None, owner: Any = None) -> Schedule:
    """Make or correct the Schedule beside a PeriodicTask. A rule that cannot be read is told and never runs."""
    now = now or timezone.now()
    schedule, made = Schedule.objects.get_or_create(task=task, defaults={"owner": owner})
    rule = rules.fingerprint(task)
    if made or schedule.rule != rule:
        schedule.rule = rule
        schedule.next_run_at = next_run(task, now)
        schedule.save(update_fields=["rule", "next_run_at"])
    return schedule


def next_run(task: PeriodicTask, now: datetime) -> datetime | None:
    """The first run after `now`; None where there is none, or the rule cannot be used, which is logged."""
    if task.task == FOREIGN_CLEANUP:
        return None
    try:
        return rules.next_after(task, now)
    except rules.UNUSABLE as error:
        log.error("the schedule %r has a rule that cannot be used: %s", task.name, error)
        return None


def reckon_all() -> int:
    """Find what was changed behind our back (QuerySet.update, another program); answers how many were looked at."""
    count = 0
    for task in PeriodicTask.objects.select_related("jobsite", *_RULES).iterator(1000):
        known = getattr(task, "jobsite", None)
        if known is None or known.rule != rules.fingerprint(task):
            reckon(task)
        count += 1
    return count


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
