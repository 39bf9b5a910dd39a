"""Schedules that come from code: taken into the table at start as stock beat does, and told where the two differ."""

import json
from datetime import timedelta

import pytest
from celery import current_app, schedules
from django.utils import timezone
from django_celery_beat.clockedschedule import clocked
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler
from kombu import Queue

from jobs.models import AuditEntry, Schedule
from jobs.schedules import code
from jobs.schedules.code import differences, take_in
from jobs.schedules.scheduler import Clock
from jobs.web.warnings import all_warnings
from tests.unit.foreign_tasks import NAME, add

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def beat_schedule():
    before = current_app.conf.beat_schedule
    current_app.conf.beat_schedule = found = {}
    code.unusable.cache_clear()
    yield found
    current_app.conf.beat_schedule = before
    code.unusable.cache_clear()


def asked():
    at = timezone.now() + timedelta(days=3)
    return {
        "each half minute": {"task": f"{NAME}add", "schedule": 30.0, "args": (1, 2)},
        "hourly": {"task": f"{NAME}add", "schedule": timedelta(hours=1), "kwargs": {"x": 1}},
        "mornings": {"task": "warehouse.count", "schedule": schedules.crontab(30, "7,19", day_of_week="1-5"),
                     "options": {"queue": "stock", "priority": 255, "headers": {"tenant": "north"}}},
        "sunset": {"task": "lights.on", "schedule": schedules.solar("sunset", 52.52, 13.4)},
        "once": {"task": "party.start", "schedule": clocked(at), "one_off": True},
        "routed": {"task": "parts.new", "schedule": 60, "relative": True,
                   "options": {"exchange": "parts", "routing_key": "parts.new", "expire_seconds": 50}},
        "off": {"task": "parts.old", "schedule": 60, "enabled": False, "description": "No longer."},
    }  # fmt: skip


def stored():
    """All of the table that says what is sent, and when."""
    rows = {}
    for task in PeriodicTask.objects.exclude(task="celery.backend_cleanup"):
        columns = {name: getattr(task, name) for name in (
            "task", "queue", "exchange", "routing_key", "priority", "expires", "expire_seconds", "one_off", "enabled",
            "description", "start_time",
        )}  # fmt: skip
        parsed = {name: json.loads(getattr(task, name) or "{}") for name in ("args", "kwargs", "headers")}
        rows[task.name] = {**columns, **parsed, "rule": task.schedule}
    return rows


def test_the_table_is_what_stock_beat_makes_of_it(beat_schedule):
    beat_schedule.update(asked())
    DatabaseScheduler(app=current_app)
    theirs = stored()
    PeriodicTask.objects.all().delete()
    take_in()
    assert stored() == theirs and set(theirs) == set(asked())
    for row in Schedule.objects.exclude(task__name="celery.backend_cleanup").select_related("task"):
        assert row.code and differences(row) == []
        assert bool(row.trouble) == (row.task.name == "routed"), "nobody has declared that exchange's queue"


def test_add_periodic_task_is_taken_in_by_the_scheduler_and_fires(beat_schedule):
    current_app.add_periodic_task(3600, add.s(1, y=5), name="hourly sum", priority=3)
    key = current_app.add_periodic_task(3600, add.s(2))
    clock = Clock()
    clock.tick()
    task = PeriodicTask.objects.get(name="hourly sum")
    assert (task.task, json.loads(task.args), json.loads(task.kwargs), task.priority) == (
        f"{NAME}add", [1], {"y": 5}, 3,
    )  # fmt: skip
    assert PeriodicTask.objects.filter(name=key).exists()
    due = timezone.now() - timedelta(seconds=1)
    Schedule.objects.filter(task=task).update(next_run_at=due, slot=due)
    clock.tick()
    assert task.jobsite.jobs.get().priority == 3


def test_started_again_with_the_same_code_changes_nothing(beat_schedule):
    beat_schedule.update(asked())
    take_in()
    before = list(PeriodicTask.objects.order_by("pk").values())
    runs = list(Schedule.objects.order_by("pk").values("next_run_at", "slot"))
    take_in()
    assert list(PeriodicTask.objects.order_by("pk").values()) == before
    assert list(Schedule.objects.order_by("pk").values("next_run_at", "slot")) == runs
    assert not AuditEntry.objects.exclude(action="refused").exists()


def test_where_people_changed_the_table_both_are_told_and_at_the_next_start_the_code_holds(beat_schedule):
    beat_schedule.update(asked())
    take_in()
    task = PeriodicTask.objects.get(name="hourly")
    task.interval, task.kwargs, task.priority = (
        IntervalSchedule.objects.create(every=2, period="hours"), '{"x": 1, "password": "hunter2"}', 9,
    )  # fmt: skip
    task.enabled = False
    task.save()
    told = {name: (one, other) for name, one, other in differences(Schedule.objects.get(task=task))}
    assert told["when"] == ("every 3600 seconds", "every 2 hours")
    assert told["priority"] == ("", "9") and "hunter2" not in told["kwargs"][1] and set(told) == {
        "when", "priority", "kwargs",
    }  # fmt: skip
    take_in()
    task.refresh_from_db()
    assert (task.interval.every, task.priority, json.loads(task.kwargs)) == (3600, None, {"x": 1})
    assert not task.enabled, "the code does not say whether it is on"
    entry = AuditEntry.objects.get(target="hourly")
    assert entry.detail["as_in_code"] == ["when", "priority", "kwargs"]


def test_what_is_no_longer_in_the_code_goes_on_and_is_told(beat_schedule):
    beat_schedule.update(asked())
    take_in()
    del beat_schedule["hourly"]
    take_in()
    row = Schedule.objects.get(task__name="hourly")
    assert row.code["gone"] and row.task.enabled and row.next_run_at
    beat_schedule.update(asked())
    take_in()
    row.refresh_from_db()
    assert not row.code.get("gone")


def test_a_row_that_stock_beat_made_stays_the_same_row(beat_schedule):
    beat_schedule.update(asked())
    DatabaseScheduler(app=current_app)
    ran = timezone.now() - timedelta(minutes=90)
    PeriodicTask.objects.filter(name="hourly").update(last_run_at=ran, total_run_count=7)
    pk = PeriodicTask.objects.get(name="hourly").pk
    Schedule.objects.all().delete()
    Clock().tick()
    task = PeriodicTask.objects.get(name="hourly")
    assert (task.pk, task.total_run_count) == (pk, 8), "and what it missed is made up for"


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ({"schedule": 60}, "names no task"),
        ({"task": "a", "schedule": "daily"}, "no table holds"),
        ({"task": "a", "schedule": 60, "args": (object(),)}, "as JSON"),
        ({"task": "a", "schedule": 60, "colour": "red"}, "colour"),
        ({"task": "a", "schedule": timedelta(0)}, "at least a microsecond"),
        ({"task": "a" , "schedule": timedelta(hours=2, milliseconds=1)}, "half an hour"),
    ],
)  # fmt: skip
def test_what_no_table_can_hold_is_told_and_keeps_nothing_else_back(beat_schedule, entry, why):
    beat_schedule.update({"bad": entry, "good": {"task": "b", "schedule": 60}})
    Clock().tick()
    assert [task.name for task in PeriodicTask.objects.exclude(task="celery.backend_cleanup")] == ["good"]
    told = [alert.what for alert in all_warnings() if "bad" in alert.what]
    assert len(told) == 1 and why in told[0]


def test_celerys_other_ways_to_say_it_are_taken_too(beat_schedule):
    """Stock's table loses `expires`, and makes half a second none at all."""
    beat_schedule.update({
        "quick": {"task": "a", "schedule": 0.5, "options": {"expires": 15.0, "queue": Queue("fast"), "countdown": 3}},
        "sets": {"task": "a", "schedule": schedules.crontab(minute={0, 30}, hour=range(8, 10))},
    })  # fmt: skip
    take_in()
    quick = PeriodicTask.objects.get(name="quick")
    assert (quick.interval.every, quick.interval.period) == (500_000, "microseconds")
    assert (quick.expire_seconds, quick.queue) == (15, "fast")
    assert quick.jobsite.code["dropped"] == ["countdown"]
    rule = CrontabSchedule.objects.get()
    assert (rule.minute, rule.hour) == ("0,30", "8,9")


def test_a_time_to_end_given_here_yields_to_an_expiry_in_the_code(beat_schedule):
    beat_schedule.update(asked())
    take_in()
    PeriodicTask.objects.filter(name="routed").update(expires=timezone.now(), expire_seconds=None)
    take_in()
    task = PeriodicTask.objects.get(name="routed")
    assert (task.expires, task.expire_seconds) == (None, 50)
