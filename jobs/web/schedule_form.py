"""The form of a schedule as a page sends it: the same for our page and for Django's admin."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import Http404, HttpRequest
from django_celery_beat.models import PeriodicTask

from jobs.core.redaction import masked
from jobs.core.registry import all_kinds
from jobs.models import Schedule
from jobs.schedules.editor import Editor
from jobs.schedules.forms import ScheduleForm
from jobs.schedules.outlook import outlook
from jobs.schedules.target import Target, foreign_tasks, target_named
from jobs.web import uploads
from jobs.web.forms import dressed, initial_from, plain_spoken, sections, with_kept

#: Keeps the schedule's field names apart from the kind's.
PREFIX = "schedule"


@dataclass
class Stored:
    """Parameters that a form starts from."""

    params: dict[str, Any]


def choices() -> dict[str, list[Any]]:
    """What can be scheduled: kinds, and other Celery tasks by name."""
    return {"kinds": list(all_kinds().values()), "tasks": foreign_tasks()}


def asked_target(request: HttpRequest) -> Target | None:
    """The target that ?kind= or ?task= names, None where neither is given. Raises Http404 for an unknown one."""
    kind, task = request.GET.get("kind", ""), request.GET.get("task", "")
    if not kind and not task:
        return None
    target = target_named(kind, task)
    if target is None:
        raise Http404(f"No kind or task {kind or task}")
    return target


def editor_for(request: HttpRequest, target: Target, schedule: Schedule | None = None) -> Editor:
    """Bound to what was sent, else with the stored values, or for a new schedule with fresh ones."""
    task = schedule.task if schedule else None
    common: dict[str, Any] = {"target": target, "user": request.user, "task": task, "prefix": PREFIX}
    stored = Stored(target.values(task) if task else {})
    if request.method == "POST":
        when = ScheduleForm(request.POST, **common)
        params = _bound_params(request, target)
        uploads.keep_secrets(params, stored.params)
        plain_spoken(when)
        return Editor(when, plain_spoken(params), schedule)
    when = ScheduleForm(initial={} if task else {"name": _free_name(target.label)}, **common)
    initial = initial_from(target.form_class, stored.params)
    params = target.form_class(initial=masked(initial) if target.foreign else initial)
    uploads.keep_secrets(params, stored.params)
    return Editor(when, params, schedule)


def _bound_params(request: HttpRequest, target: Target) -> forms.Form:
    if target.kind is None:
        return target.form_class(request.POST)
    return target.kind.Form(request.POST, uploads.given(request, target.kind))


def _free_name(label: str) -> str:
    """The kind's label, with a number behind it where schedules of that name exist."""
    taken = set(PeriodicTask.objects.filter(name__startswith=label).values_list("name", flat=True))
    names = [label, *(f"{label} {number}" for number in range(2, len(taken) + 3))]
    return next(name for name in names if name not in taken)[:200]


def dress(request: HttpRequest, editor: Editor) -> dict[str, Any]:
    """What templates show of an editor: forms with our inputs, stored files, sections, and the outlook."""
    kept: dict[str, list[Any]] = {}
    target = editor.target
    if target.kind:
        stored = Stored(target.stored(editor.schedule.task)) if editor.schedule else None
        kept = uploads.keep(request, editor.params) if editor.params.is_bound else uploads.offered(
            request, target.kind, stored
        )  # fmt: skip
    return {
        "target": target,
        "schedule": editor.schedule,
        "when": dressed(editor.when, marks=False),
        "form": with_kept(dressed(editor.params), kept),
        "sections": sections(editor.params),
        **seen(editor),
    }


def seen(editor: Editor) -> dict[str, Any]:
    """The outlook of what was filled in (or is stored), and what keeps it from being shown."""
    if not editor.when.is_bound:
        return {"outlook": outlook(editor.schedule) if editor.schedule else None}
    editor.is_valid()
    told = outlook(editor.when.planned()) if editor.when.shows_its_rule else None
    return {"outlook": told, **_untold(editor)}


def _untold(editor: Editor) -> dict[str, list[str]]:
    """missing: labels of what nobody has got to yet; wrong: each thing to put right, as "Label: text"."""
    missing, wrong = [], []
    for form in (editor.params, editor.when):
        wrong += [str(text) for text in form.non_field_errors()]
        for bound in form:
            if bound.errors and not bound.data:
                missing.append(str(bound.label))
            elif bound.errors:
                wrong.append(f"{bound.label}: {' '.join(map(str, bound.errors))}")
    return {"missing": missing, "wrong": wrong}
