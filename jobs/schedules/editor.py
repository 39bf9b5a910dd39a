"""One schedule being made or changed: its own form and its parameters', checked and saved together; and its actions."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone
from django_celery_beat.models import PeriodicTask, PeriodicTasks

from jobs.core.errors import Conflict, Refused
from jobs.models import AuditEntry, Schedule
from jobs.schedules.forms import ScheduleForm
from jobs.schedules.plan import Run, next_run, planned
from jobs.schedules.reckon import reckon, set_run
from jobs.schedules.rows import WRITTEN


class Editor:
    """schedule: None for a new one; when, params: bound or unbound forms; without params those that are stored stay."""

    def __init__(self, when: ScheduleForm, params: Any, schedule: Schedule | None = None):
        self.when, self.params, self.schedule = when, params, schedule
        self.target = when.target

    def is_valid(self) -> bool:
        """Both forms are asked, so that every bad field is told at once."""
        return self.when.is_valid() & (self.params is None or self.params.is_valid())

    @property
    def errors(self) -> dict[str, list[str]]:
        """{field: [texts]}, the parameters' as params.NAME and, for the form as a whole, params."""
        found = {name: [str(text) for text in texts] for name, texts in self.when.errors.items()}
        for name, texts in self.params.errors.items() if self.params is not None else ():
            found["params" if name == "__all__" else f"params.{name}"] = [str(text) for text in texts]
        return found

    def save(self, user: Any, via: str) -> Schedule:
        """Store the task, its files and the Schedule beside it; needs valid forms."""
        new = self.schedule is None
        owner = user if self.schedule is None else self.schedule.owner
        task = PeriodicTask() if self.schedule is None else self.schedule.task
        with transaction.atomic():
            self.when.apply(task)
            if self.params is not None:
                self.target.store(task, self.params, owner)
            task.save(update_fields=None if new else WRITTEN)
            terms = self.when.terms
            if not task.enabled or terms["paused_until"]:
                terms["held"] = None
            Schedule.objects.filter(task=task).update(owner=owner, **terms)
            schedule = reckon(task)
            AuditEntry.record(user, "create schedule" if new else "change schedule", target=task.name, via=via)
        return Schedule.objects.select_related("owner", "task").get(pk=schedule.pk)


def switch(schedule: Schedule, on: bool, user: Any, via: str) -> None:
    """Pause or resume, also before the time to which it is paused. Runs of the time between are not made up for."""
    task = schedule.task
    if task.enabled == on and not (on and schedule.paused_until):
        return
    with transaction.atomic():
        Schedule.objects.filter(pk=schedule.pk).update(paused_until=None, held=None)
        if task.enabled == on:
            reckon(task)
        else:
            task.enabled = on
            task.save(update_fields=["enabled", "last_run_at", "date_changed"])
        AuditEntry.record(user, "resume" if on else "pause", target=task.name, via=via)


def pause_until(schedule: Schedule, until: datetime, user: Any, via: str) -> None:
    """No run has its time before `until`; then it goes on by itself. Raises Refused, with the field paused_until."""
    if until <= timezone.now():
        raise Refused({"paused_until": ["This has passed. Choose a time to come."]})
    with transaction.atomic():
        Schedule.objects.filter(pk=schedule.pk).update(paused_until=until, held=None)
        if schedule.task.enabled and reckon(schedule.task).next_run_at is None:
            raise Refused({"paused_until": ["There is no run left after this: choose an earlier time."]})
        AuditEntry.record(user, "pause until", target=schedule.task.name, via=via, until=until.isoformat())


def skip_next(schedule: Schedule, user: Any, via: str) -> datetime:
    """Leave the next run out, and only that: asked again before its time, nothing more is. Answers its slot.

    Raises Conflict where no run is planned, or it starts just now.
    """
    if is_skipping(schedule):
        assert schedule.skipped is not None
        return schedule.skipped
    left_out = planned(schedule)
    if left_out is None or left_out.at <= timezone.now():
        raise Conflict("No run is planned that could be skipped.")
    schedule.skipped = left_out.slot
    set_run(schedule, None if schedule.task.one_off else next_run(schedule, left_out.at, left_out.slot))
    _replan(schedule, left_out, user, "skip next run", via)
    return left_out.slot


def unskip(schedule: Schedule, user: Any, via: str) -> None:
    """Let the skipped run start after all, if its time has not passed."""
    if not is_skipping(schedule):
        return
    seen, schedule.skipped = planned(schedule), None
    set_run(schedule, next_run(schedule, timezone.now(), seen.slot if seen else None))
    _replan(schedule, seen, user, "do not skip", via)


def pause_of(schedule: Schedule) -> datetime | None:
    """The end of a pause that ends by itself and has not."""
    until = schedule.paused_until
    return until if until and until > timezone.now() else None


def is_skipping(schedule: Schedule) -> bool:
    return schedule.skipped is not None and schedule.skipped > timezone.now()


def _replan(schedule: Schedule, seen: Run | None, user: Any, action: str, via: str) -> None:
    with transaction.atomic():
        # Conditional: the scheduler may have started that run meanwhile.
        moved = Schedule.objects.filter(pk=schedule.pk, slot=seen.slot if seen else None).update(
            skipped=schedule.skipped, slot=schedule.slot, next_run_at=schedule.next_run_at
        )
        if not moved:
            raise Conflict("It has started meanwhile.")
        AuditEntry.record(user, action, target=schedule.task.name, via=via)


def delete(schedule: Schedule, user: Any, via: str) -> None:
    """Its jobs stay, without the link."""
    task = schedule.task
    with transaction.atomic():
        AuditEntry.record(user, "delete schedule", target=task.name, via=via)
        task.delete()
    PeriodicTasks.update_changed()
