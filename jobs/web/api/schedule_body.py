"""From the JSON of a schedule to its forms, and back: the same fields in both directions."""

import json
from typing import Any

from django import forms
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from jobs.browse.represent import iso
from jobs.core import priorities
from jobs.core.errors import Refused, unknown
from jobs.core.redaction import masked
from jobs.foreign.task import readable_call_of
from jobs.models import Schedule
from jobs.models.schedule import MISFIRE_CHOICES, OVERLAP_CHOICES
from jobs.schedules.code import differences
from jobs.schedules.editor import Editor, is_skipping, pause_of
from jobs.schedules.forms import CRON, EVERY, ONCE, PERIODS, ScheduleForm, initial_of, priority_name
from jobs.schedules.outlook import outlook
from jobs.schedules.target import ForeignForm, Target, target_of
from jobs.submit.validate import bind, out_of_a_row
from jobs.web.api.body import Body
from jobs.web.api.problem import invalid
from jobs.web.pages.schedule_rows import Row, late_by

#: Next runs that an answer names.
NEXT = 5
#: The fields that choose a rule, and the rule they choose.
_RULES = {"cron": CRON, "every": EVERY, "at": ONCE}


def _time(text: str) -> dict[str, Any]:
    return {"type": "string", "format": "date-time", "description": text}


FIELDS: dict[str, dict[str, Any]] = {
    "name": {"type": "string", "minLength": 1, "maxLength": 200, "description": "Its own; its jobs are titled so."},
    "params": {
        "type": "object",
        "description": "Parameters of the kind; for a task that is no kind `args` and `kwargs`. Files are named by "
        "the id of an artifact.",
    },
    "cron": {
        "type": "string",
        "maxLength": 400,
        "description": "Minute, hour, day of month, month, day of week (0 is Sunday). All must match.",
    },
    "every": {"type": "integer", "minimum": 1, "description": "With `period`, instead of `cron`."},
    "period": {"type": "string", "enum": [name for name, _ in PERIODS], "description": "Default: minutes."},
    "at": _time("One single run, instead of `cron`."),
    "timezone": {"type": "string", "maxLength": 100, "description": "Of the cron rule. Default: the site's."},
    "start": _time("No run before it."),
    "end": _time("No run after it."),
    "jitter": {
        "type": "integer",
        "minimum": 0,
        "maximum": 86_400,
        "description": "[s] by which each run starts later at most, the same for the same run. Default: 0.",
    },
    "overlap": {
        "type": "string",
        "enum": [name for name, _ in OVERLAP_CHOICES],
        "description": "What becomes of a run while a job of the schedule is unfinished: allow, skip it, or queue one "
        "until that has ended. Default: allow.",
    },
    "misfire": {
        "type": "string",
        "enum": [name for name, _ in MISFIRE_CHOICES],
        "description": "What becomes of runs missed while no scheduler ran. Default: once.",
    },
    "misfire_limit": {
        "type": "integer",
        "minimum": 1,
        "maximum": 100,
        "description": "With misfire all: so many of the missed runs are made up for, the newest. Default: 10.",
    },
    "enabled": {"type": "boolean", "description": "Default: true."},
    "paused_until": _time("No run before it; then it goes on by itself."),
    "priority": {"type": "string", "enum": list(priorities.BY_NAME), "description": "Default: normal."},
    "queue": {"type": "string", "maxLength": 100, "description": "Another queue of the kind's pool."},
    "description": {"type": "string", "maxLength": 2000, "description": "A note for people."},
}
NEW = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "kind": {"type": "string", "maxLength": 100, "description": "Slug of the kind: see GET kinds."},
        "task": {"type": "string", "maxLength": 200, "description": "Instead of `kind`: a Celery task's name."},
        **FIELDS,
    },
    "additionalProperties": False,
}
CHANGE = {"type": "object", "properties": FIELDS, "additionalProperties": False}


def editor_for(request: HttpRequest, body: Body, target: Target, schedule: Schedule | None = None) -> Editor:
    """The forms of a new schedule, or of a stored one with what was sent laid over it.

    Raises Problem 422 with every bad field.
    """
    when = ScheduleForm(_values(body, schedule), target=target, user=request.user,
                        task=schedule.task if schedule else None)  # fmt: skip
    errors: dict[str, list[str]] = {}
    try:
        params = _params(request, body, target, schedule)
    except Refused as refused:
        errors = {f"params.{name}": texts for name, texts in refused.errors.items()}
        when.is_valid()
        params = None
    editor = Editor(when, params, schedule)
    if errors or not editor.is_valid():
        found = {**_texts(when), **errors} if errors else editor.errors
        raise invalid({_told(name, when): texts for name, texts in found.items()})
    return editor


def _texts(form: ScheduleForm) -> dict[str, list[str]]:
    return {name: [str(text) for text in texts] for name, texts in form.errors.items()}


def _told(name: str, when: ScheduleForm) -> str:
    """The sender's own name for what the form calls "rule"."""
    if name != "rule":
        return name
    return next((field for field, rule in _RULES.items() if rule == when.data.get("rule")), "cron")


def _values(body: Body, schedule: Schedule | None) -> dict[str, Any]:
    """What a page would have sent. A field that is null is emptied."""
    values: dict[str, Any] = {"enabled": True}
    if schedule:
        task = schedule.task
        # With their offset, so that another time zone does not move them.
        at = iso(task.clocked.clocked_time) if task.clocked else None
        times = {
            "at": at,
            "start": iso(task.start_time),
            "end": iso(task.expires),
            "paused_until": iso(pause_of(schedule)),
        }
        values = {**initial_of(task), **times}
    sent = {name: value for name, value in body.values.items() if name in FIELDS and name != "params"}
    chosen = [name for name in _RULES if sent.get(name) is not None]
    if len(chosen) > 1:
        text = f"Only one of {', '.join(_RULES)} can be given."
        raise invalid({name: [text] for name in chosen})
    if chosen:
        values["rule"] = _RULES[chosen[0]]
    elif not schedule:
        raise invalid({"cron": ["Say when: cron, every with period, or at."]})
    values |= {name: iso(value) if hasattr(value, "isoformat") else value for name, value in sent.items()}
    if not values.get("enabled"):
        values.pop("enabled", None)
    return {name: "" if value is None else value for name, value in values.items()}


def _params(request: HttpRequest, body: Body, target: Target, schedule: Schedule | None) -> Any:
    """The form of the parameters; None where a stored schedule's are not sent, and stay whatever they are."""
    if schedule and "params" not in body.values:
        return None
    given = body.get("params", {})
    stored = target.stored(schedule.task) if schedule else {}
    if target.kind:
        stored = out_of_a_row(target.kind, stored)
    if target.kind is None:
        return _foreign(target, {**stored, **given})
    known = target.kind.Form.base_fields
    kept = {name: value for name, value in stored.items() if name in known}
    # The stored files were checked when they came; those that are sent must be the sender's to see.
    return bind(target.kind, {**kept, **given}, None, request.user)


def _foreign(target: Target, given: dict[str, Any]) -> forms.Form:
    if strange := [name for name in given if name not in ("args", "kwargs")]:
        raise Refused(unknown(strange, "Unknown: a task that is no kind takes args and kwargs."))
    plain = ForeignForm({name: json.dumps(value) for name, value in given.items() if value is not None})
    if target.foreign is None or not plain.is_valid():
        return plain
    return target.foreign.form(*readable_call_of(plain.cleaned_data))


def code_json(schedule: Schedule) -> dict[str, Any] | None:
    """Of a schedule that comes from code: whether it is still there, and where the two differ."""
    if not schedule.in_code:
        return None
    differs = {name: {"code": ours, "table": table} for name, ours, table in differences(schedule)}
    code = schedule.in_code
    return {"gone": bool(code.get("gone")), "differs": differs, "dropped": code.get("dropped", [])}


def schedule_json(row: Row) -> dict[str, Any]:
    """A schedule as programs see it. row: with its last runs."""
    schedule, task = row.schedule, row.task
    target, seen, now_late = target_of(task), outlook(schedule, count=NEXT), late_by(schedule, timezone.now())
    last = row.last
    here = reverse("api-schedule", args=[schedule.pk])
    return {
        "id": schedule.pk,
        "name": task.name,
        "kind": target.kind.slug if target.kind else None,
        "task": task.task,
        "params": masked(target.stored(task)),
        "words": seen.words,
        "cron": seen.cron or None,
        "every": task.interval.every if task.interval else None,
        "period": task.interval.period if task.interval else None,
        "at": iso(task.clocked.clocked_time) if task.clocked else None,
        "timezone": seen.zone,
        "start": iso(task.start_time),
        "end": iso(task.expires),
        **{name: getattr(schedule, name) for name in ("jitter", "overlap", "misfire", "misfire_limit")},
        "enabled": task.enabled,
        "paused_until": iso(pause_of(schedule)),
        "skipped": iso(schedule.skipped) if is_skipping(schedule) else None,
        "held": iso(schedule.held),
        "left_out": schedule.left_out,
        "priority": priority_name(task),
        "queue": task.queue,
        "description": task.description,
        "owner": schedule.owner.get_username() if schedule.owner else None,
        "next_runs": [run.isoformat() for run in seen.runs] if task.enabled else [],
        "remarks": seen.remarks,
        "trouble": schedule.trouble or None if task.enabled else None,
        "code": code_json(schedule),
        "overdue": round(now_late.total_seconds(), 3) if now_late else None,
        "last_job": {"id": last.id, "state": last.state, "created": iso(last.created)} if last else None,
        "links": {"self": here, "run": f"{here}/run", "page": schedule.get_absolute_url()},
    }
