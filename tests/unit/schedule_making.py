"""Schedules for tests, made as the page makes them."""

from jobs.models import Schedule
from jobs.schedules.editor import Editor
from jobs.schedules.forms import ScheduleForm
from jobs.schedules.target import target_named


def make_schedule(user=None, name="Nightly", kind="add", params=None, **fields) -> Schedule:
    """A valid schedule; fields are those of ScheduleForm. It runs at an hour that no clock change leaves out."""
    target = target_named(kind)
    values = {
        "name": name,
        "rule": "cron",
        "cron": "30 4 * * *",
        "timezone": "Europe/Berlin",
        "enabled": "on",
        **fields,
    }
    editor = Editor(ScheduleForm(values, target=target, user=user), target.form_class(params or {"x": 1, "y": 2}))
    assert editor.is_valid(), editor.errors
    return editor.save(user, "form")
