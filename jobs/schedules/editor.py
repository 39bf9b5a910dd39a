"""One schedule being made or changed: its own form and its parameters', checked and saved together."""

from typing import Any

from django import forms
from django.db import transaction
from django_celery_beat.models import PeriodicTask, PeriodicTasks

from jobs.models import AuditEntry, Schedule
from jobs.schedules.forms import ScheduleForm
from jobs.schedules.reckon import reckon

#: All but what the scheduler counts meanwhile.
_WRITTEN = [
    field.name
    for field in PeriodicTask._meta.concrete_fields
    if field.name not in ("id", "last_run_at", "total_run_count")
]


class Editor:
    """schedule: None for a new one; when, params: bound or unbound forms."""

    def __init__(self, when: ScheduleForm, params: forms.Form, schedule: Schedule | None = None):
        self.when, self.params, self.schedule = when, params, schedule
        self.target = when.target

    def is_valid(self) -> bool:
        """Both forms are asked, so that every bad field is told at once."""
        return all([self.when.is_valid(), self.params.is_valid()])

    @property
    def errors(self) -> dict[str, list[str]]:
        """{field: [texts]}, the parameters' as params.NAME and, for the form as a whole, params."""
        found = {name: [str(text) for text in texts] for name, texts in self.when.errors.items()}
        for name, texts in self.params.errors.items():
            found["params" if name == "__all__" else f"params.{name}"] = [str(text) for text in texts]
        return found

    def save(self, user: Any, via: str) -> Schedule:
        """Store the task, its files and the Schedule beside it; needs valid forms."""
        new = self.schedule is None
        owner = user if self.schedule is None else self.schedule.owner
        task = PeriodicTask() if self.schedule is None else self.schedule.task
        with transaction.atomic():
            self.when.apply(task)
            self.target.store(task, self.params, owner)
            task.save(update_fields=None if new else _WRITTEN)
            schedule = reckon(task, owner=owner)
            Schedule.objects.filter(pk=schedule.pk).update(
                misfire=self.when.cleaned_data["misfire"] or "once", owner=owner
            )
            AuditEntry.record(user, "create schedule" if new else "change schedule", target=task.name, via=via)
        return Schedule.objects.select_related("owner", "task").get(pk=schedule.pk)


def switch(schedule: Schedule, on: bool, user: Any, via: str) -> None:
    """Pause or resume. Runs of the time between are not made up for."""
    task = schedule.task
    if task.enabled == on:
        return
    with transaction.atomic():
        task.enabled = on
        task.save(update_fields=["enabled", "last_run_at", "date_changed"])
        AuditEntry.record(user, "resume" if on else "pause", target=task.name, via=via)


def delete(schedule: Schedule, user: Any, via: str) -> None:
    """Its jobs stay, without the link."""
    task = schedule.task
    with transaction.atomic():
        AuditEntry.record(user, "delete schedule", target=task.name, via=via)
        task.delete()
    PeriodicTasks.update_changed()
