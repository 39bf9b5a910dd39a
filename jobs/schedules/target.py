"""What a schedule starts: a kind with its parameters, or any other Celery task by name."""

import json
from dataclasses import dataclass, replace
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput
from django_celery_beat.models import PeriodicTask

from jobs.core.errors import Refused
from jobs.core.kind import Kind
from jobs.core.plain import strict_json
from jobs.core.registry import get_kind, kind_of_task, task_name
from jobs.foreign.form import TaskForm
from jobs.foreign.task import ForeignTask, all_tasks, readable_call_of, task_named
from jobs.models import Artifact
from jobs.submit.files import place
from jobs.submit.validate import to_json, uploads


class ForeignForm(forms.Form):
    """The arguments of a task that is no kind."""

    args = forms.JSONField(label="Positional arguments", required=False, initial=list, help_text="A JSON list.")
    kwargs = forms.JSONField(label="Keyword arguments", required=False, initial=dict, help_text="A JSON object.")

    def clean_args(self) -> list[Any]:
        value = self.cleaned_data["args"]
        if value is not None and not isinstance(value, list):
            raise ValidationError('Expected a JSON list, such as [1, "two"].')
        return value or []

    def clean_kwargs(self) -> dict[str, Any]:
        value = self.cleaned_data["kwargs"]
        if value is not None and not isinstance(value, dict):
            raise ValidationError('Expected a JSON object, such as {"width": 640}.')
        return value or {}


@dataclass(frozen=True)
class Target:
    """task: the Celery task's name; kind: the kind behind it, None for other people's tasks.

    raw: its arguments are edited as JSON, though an installed app has the task: the form of its signature, which goes
    by type hints, does not take those that are stored.
    """

    task: str
    kind: type[Kind] | None = None
    raw: bool = False

    @property
    def label(self) -> str:
        return self.kind.label if self.kind else self.task

    @property
    def foreign(self) -> ForeignTask | None:
        """The task behind other people's names; None for kinds, and where no installed app has it."""
        return None if self.kind or self.raw else task_named(self.task)

    @property
    def form_class(self) -> type[forms.Form]:
        if self.kind:
            return self.kind.Form
        foreign = self.foreign
        return foreign.Form if foreign else ForeignForm

    def stored(self, task: PeriodicTask) -> dict[str, Any]:
        """What a PeriodicTask keeps: a kind's parameters, or a task's args and kwargs; {} for unreadable JSON."""
        try:
            args, kwargs = strict_json(task.args or "[]"), strict_json(task.kwargs or "{}")
        except ValueError:
            return {}
        if self.kind:
            return kwargs if isinstance(kwargs, dict) else {}
        return {"args": args, "kwargs": kwargs}

    def values(self, task: PeriodicTask) -> dict[str, Any]:
        """The same by the names of the form's fields."""
        stored, foreign = self.stored(task), self.foreign
        if foreign:
            return foreign.values(stored)
        if not stored and not self.kind:  # no JSON: whoever mends it sees what it is
            return {"args": InvalidJSONInput(task.args), "kwargs": InvalidJSONInput(task.kwargs)}
        return stored

    def store(self, task: PeriodicTask, form: forms.Form, owner: Any) -> None:
        """Write the cleaned parameters into a PeriodicTask, not saved; files become artifacts of the owner."""
        if self.kind is None:
            data = form.cleaned_data
            args, kwargs = form.arguments() if isinstance(form, TaskForm) else (data["args"], data["kwargs"])
            task.args, task.kwargs = json.dumps(args), json.dumps(kwargs)
            return
        references, fresh, kept = place(uploads(form, form.cleaned_data), owner)
        for artifact in fresh:
            artifact.save(force_insert=True)
        own = _own_copies(kept, owner)
        for named in references.values():
            for reference in named:
                reference["artifact"] = own.get(reference["artifact"], reference["artifact"])
        task.args, task.kwargs = "[]", json.dumps({**to_json(form, form.cleaned_data), **references})


def _own_copies(kept: list[str], owner: Any) -> dict[str, str]:
    """{id: id of the schedule's own row} for files of a job or of somebody else: they go when that job goes."""
    own = {}
    for old in Artifact.objects.filter(id__in=kept):
        if old.job_id is not None or old.owner_id != (owner.pk if owner else None):
            copy = Artifact.objects.create(
                owner=owner, is_input=True, name=old.name, content_type=old.content_type, size=old.size, path=old.path
            )
            own[old.id] = copy.id
    return own


def target_of(task: PeriodicTask) -> Target:
    return Target(task.task, kind_of_task(task.task))


def edited_target_of(task: PeriodicTask) -> Target:
    """The same for a form that is to begin with what is stored."""
    target = target_of(task)
    if target.foreign is None:
        return target
    try:
        args, kwargs = readable_call_of(target.stored(task))
        takes = _is_readable(task) and target.foreign.form(args, kwargs).is_valid()
    except Refused:
        takes = False
    return target if takes else replace(target, raw=True)


def _is_readable(task: PeriodicTask) -> bool:
    try:
        args, kwargs = strict_json(task.args or "[]"), strict_json(task.kwargs or "{}")
    except ValueError:
        return False
    return isinstance(args, list) and isinstance(kwargs, dict)


def target_named(kind: str = "", task: str = "") -> Target | None:
    """The target by a kind's slug or a task's name; None where there is none such."""
    if kind:
        found = get_kind(kind)
        return Target(task_name(kind), found) if found else None
    if (found := kind_of_task(task)) is not None:
        return Target(task, found)
    return Target(task) if task in foreign_tasks() else None


def foreign_tasks() -> list[str]:
    """Names of the Celery tasks known here that are no kinds."""
    return [task.name for task in all_tasks()]
