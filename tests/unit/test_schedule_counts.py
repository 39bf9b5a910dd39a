"""What a schedule has run, and who may write it: the scheduler alone."""

import pytest
from django_celery_beat.models import PeriodicTask

from jobs.models import Schedule
from jobs.schedules import fire
from tests.unit.test_schedule_fire import due, make

pytestmark = pytest.mark.django_db(transaction=True)


def test_pausing_and_editing_leave_the_counts_to_the_scheduler():
    from jobs.schedules.editor import Editor, switch
    from jobs.schedules.forms import ScheduleForm, initial_of
    from jobs.schedules.target import target_of

    schedule = make()
    stale = Schedule.objects.select_related("task__interval").get()
    due(schedule)
    fire.fire_due()
    target = target_of(stale.task)
    when = ScheduleForm({**initial_of(stale.task), "name": "other", "start": "", "end": "", "at": ""}, target=target,
                        task=stale.task)  # fmt: skip
    editor = Editor(when, target.form_class({"x": 3, "y": 4}), stale)
    assert editor.is_valid(), editor.errors
    editor.save(None, "form")
    task = PeriodicTask.objects.get()
    assert (task.name, task.total_run_count) == ("other", 1) and task.last_run_at is not None
    switch(stale, False, None, "form")
    task.refresh_from_db()
    assert (task.total_run_count, task.enabled, task.last_run_at) == (1, False, None)
