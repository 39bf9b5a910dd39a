"""Starting the runs that are due: each becomes a job, once, whatever dies and however many schedulers run."""

import json
import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from jobs.core.registry import kind_of_task
from jobs.foreign.task import call_of
from jobs.models import AuditEntry, Job, Schedule
from jobs.models.job import Via
from jobs.schedules.reckon import next_run
from jobs.submit import submit
from jobs.submit.foreign import submit_task

log = logging.getLogger(__name__)

#: Runs of one step, so that a long backlog leaves room for other writers.
BATCH = 100
#: [s] of lateness up to which a run counts as on time.
ON_TIME = 60.0


def fire_due(now: datetime | None = None) -> int:
    """Start all runs that are due, up to BATCH; answers how many schedules were handled."""
    now = now or timezone.now()
    due = list(
        Schedule.objects.filter(next_run_at__lte=now)
        .order_by("next_run_at")
        .select_related("owner", "task__crontab", "task__interval", "task__clocked", "task__solar")[:BATCH]
    )
    for schedule in due:
        _fire(schedule, now)
    return len(due)


def next_due() -> datetime | None:
    return Schedule.objects.filter(next_run_at__isnull=False).order_by("next_run_at").values_list(
        "next_run_at", flat=True
    ).first()  # fmt: skip


def run_now(schedule: Schedule, user: Any = None, via: str = Via.FORM) -> Job:
    """Start the job at once, beside the planned runs. Raises Refused where its parameters are no longer valid."""
    job = _submit(schedule, None, user or schedule.owner)
    AuditEntry.record(user, "run now", job=job, target=schedule.task.name, via=via)
    return job


def _fire(schedule: Schedule, now: datetime) -> None:
    slot = schedule.next_run_at
    assert slot is not None
    following = None if schedule.task.one_off else next_run(schedule.task, now)
    late = now - slot > timedelta(seconds=ON_TIME)
    try:
        with transaction.atomic():
            # Conditional: of two schedulers at the same slot one moves it on, and only that one submits.
            moved = Schedule.objects.filter(pk=schedule.pk, next_run_at=slot).update(next_run_at=following)
            # Switched off behind our back, it is only moved on.
            if moved and schedule.task.enabled and not (late and schedule.misfire == "skip"):
                _submit(schedule, slot, schedule.owner)
                _count(schedule.task, slot)
    except IntegrityError:
        # The slot has its job already (the unique index says so): a scheduler died after starting it.
        Schedule.objects.filter(pk=schedule.pk, next_run_at=slot).update(next_run_at=following)
    except DatabaseError:
        raise
    except Exception as error:  # whatever a kind's form or the stored JSON raises: the other schedules go on
        log.error("the schedule %r could not start its job: %s", schedule.task.name, error)
        Schedule.objects.filter(pk=schedule.pk, next_run_at=slot).update(next_run_at=following)
        AuditEntry.record(None, "refused", target=schedule.task.name[:200], via=Via.SCHEDULE, error=str(error)[:1000])


def _count(task: PeriodicTask, slot: datetime) -> None:
    """What stock django-celery-beat shows; through update(), since a save would be taken for a change of the rule."""
    more = {"enabled": False} if task.one_off else {}
    PeriodicTask.objects.filter(pk=task.pk).update(last_run_at=slot, total_run_count=F("total_run_count") + 1, **more)


def _submit(schedule: Schedule, slot: datetime | None, user: Any) -> Job:
    task = schedule.task
    options = {
        "user": user, "via": Via.SCHEDULE, "title": task.name, "priority": task.priority, "queue": task.queue or None,
        "schedule": schedule, "slot": slot,
    }  # fmt: skip
    kwargs = json.loads(task.kwargs or "{}")
    kind = kind_of_task(task.task)
    if kind:
        return submit(kind, kwargs, **options)
    args, kwargs = call_of({"args": json.loads(task.args or "[]"), "kwargs": kwargs})
    return submit_task(task.task, args, kwargs, **options)
