"""Starting what is due: each slot once, whoever dies or races; what was missed; what was changed behind our back."""

import json
import sqlite3
import time
from datetime import timedelta

import pytest
from django.db import IntegrityError, OperationalError, connection
from django.utils import timezone
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks

from jobs.models import AuditEntry, Job, Schedule
from jobs.schedules import fire, scheduler
from jobs.schedules.reckon import reckon_all, with_task
from jobs.schedules.scheduler import Clock
from tests.unit.api_client import make_user
from tests.unit.foreign_tasks import NAME

pytestmark = pytest.mark.django_db(transaction=True)


def make(name="every minute", *, task="jobs.add", kwargs='{"x": 1, "y": 2}', every=60, **more):
    rule = {} if "crontab" in more or "clocked" in more else {
        "interval": IntervalSchedule.objects.get_or_create(every=every, period="seconds")[0]
    }  # fmt: skip
    stored = PeriodicTask.objects.create(name=name, task=task, kwargs=kwargs, **rule, **more)
    return Schedule.objects.get(task=stored)


def due(schedule, ago=1.0):
    """Let the next run have been `ago` seconds ago; answers that slot."""
    slot = timezone.now() - timedelta(seconds=ago)
    Schedule.objects.filter(pk=schedule.pk).update(next_run_at=slot, slot=slot)
    return slot


def slots():
    return list(Job.objects.order_by("slot").values_list("slot", flat=True))


def test_a_due_run_becomes_a_job_and_the_next_is_planned():
    owner = make_user("olga", is_staff=True)
    schedule = make(priority=3)
    Schedule.objects.filter(pk=schedule.pk).update(owner=owner)
    slot = due(schedule)
    assert fire.fire_due() == 1
    job = Job.objects.get()
    assert (job.schedule_id, job.slot, job.owner, job.via) == (schedule.pk, slot, owner, "schedule")
    assert (job.kind, job.title, job.priority, job.params) == ("add", "every minute", 3, {"x": 1.0, "y": 2.0})
    schedule.refresh_from_db()
    assert schedule.next_run_at > timezone.now()
    schedule.task.refresh_from_db()
    assert (schedule.task.last_run_at, schedule.task.total_run_count) == (slot, 1)
    assert fire.fire_due() == 0


def test_two_schedulers_that_saw_the_same_slot_start_it_once():
    schedule = make()
    slot = due(schedule)
    decided = [[fire._due(with_task(Schedule.objects.all()).get(), timezone.now(), busy=False)] for _ in range(2)]
    for turns in decided:
        fire._carry_out(turns)
    assert slots() == [slot]
    schedule.task.refresh_from_db()
    assert schedule.task.total_run_count == 1


def test_a_crash_between_the_job_and_the_plan_starts_nothing_twice(monkeypatch):
    schedule = make()
    slot = due(schedule)

    def dies(*_):
        raise OperationalError("the connection is gone")

    with monkeypatch.context() as patch:
        patch.setattr(fire, "_count", dies)
        with pytest.raises(OperationalError):
            fire.fire_due()
    assert slots() == []  # all or nothing
    schedule.refresh_from_db()
    assert schedule.next_run_at == slot
    fire.fire_due()
    assert slots() == [slot]


def test_a_slot_that_has_its_job_is_only_moved_on():
    schedule = make()
    slot = due(schedule)
    fire.fire_due()
    Schedule.objects.filter(pk=schedule.pk).update(next_run_at=slot, slot=slot)  # as a restored backup would have it
    fire.fire_due()
    assert slots() == [slot]
    schedule.refresh_from_db()
    assert schedule.next_run_at > timezone.now()


def test_the_database_itself_refuses_a_second_job_of_a_slot():
    schedule = make()
    slot = timezone.now()
    Job.objects.create(kind="add", title="a", queue="io", schedule=schedule, slot=slot)
    with pytest.raises(IntegrityError):
        Job.objects.create(kind="add", title="b", queue="io", schedule=schedule, slot=slot)


def test_missed_runs_run_once_late_or_not_at_all():
    once, skip = make("once"), make("skip")
    Schedule.objects.filter(pk=skip.pk).update(misfire="skip")
    slot = due(once, ago=3600)
    due(skip, ago=3600)
    assert fire.fire_due() == 2
    assert Job.objects.get().schedule == once and slots() == [slot]
    for schedule in (once, skip):
        schedule.refresh_from_db()
        assert timezone.now() < schedule.next_run_at < timezone.now() + timedelta(seconds=61)


def test_a_run_that_is_hardly_late_is_not_skipped():
    schedule = make()
    Schedule.objects.filter(pk=schedule.pk).update(misfire="skip")
    due(schedule, ago=20)
    fire.fire_due()
    assert Job.objects.count() == 1


@pytest.mark.parametrize(
    ("kwargs", "named"),
    [('{"x": "seven"}', "x"), ('{"nosuch": 1}', "nosuch"), ("[1]", ""), ("{", "")],
)
def test_parameters_that_are_no_longer_valid_are_told_and_stop_nothing(kwargs, named):
    bad, good = make("bad", kwargs=kwargs), make("good")
    due(bad, ago=5)
    due(good)
    fire.fire_due()
    assert [job.schedule for job in Job.objects.all()] == [good]
    entry = AuditEntry.objects.get(action="refused")
    assert entry.target == "bad" and named in entry.detail["error"]
    bad.refresh_from_db()
    assert bad.next_run_at > timezone.now()


def test_a_rule_that_became_unreadable_stops_only_itself():
    broken = make("broken", crontab=CrontabSchedule.objects.create(minute="5"))
    good = make("good")
    CrontabSchedule.objects.update(minute="1,,2")
    due(broken)
    due(good)
    fire.fire_due()
    assert good.jobs.count() == 1
    broken.refresh_from_db()
    assert broken.next_run_at is None


def test_changes_by_queryset_update_are_found():
    schedule = make()
    PeriodicTask.objects.update(enabled=False)
    assert reckon_all() == 1
    schedule.refresh_from_db()
    assert schedule.next_run_at is None
    PeriodicTask.objects.update(enabled=True)
    reckon_all()
    schedule.refresh_from_db()
    before = schedule.next_run_at
    assert before is not None
    IntervalSchedule.objects.update(every=7200)
    reckon_all()
    schedule.refresh_from_db()
    assert schedule.next_run_at > before + timedelta(hours=1)


def test_what_was_switched_off_behind_our_back_does_not_run():
    schedule = make()
    PeriodicTask.objects.update(enabled=False)
    due(schedule)
    fire.fire_due()
    assert not Job.objects.exists()
    schedule.refresh_from_db()
    assert schedule.next_run_at is None


def test_tasks_made_by_bulk_create_get_a_schedule():
    rule = IntervalSchedule.objects.create(every=60, period="seconds")
    PeriodicTask.objects.bulk_create(
        [PeriodicTask(name="bulk", task="jobs.add", interval=rule, date_changed=timezone.now())]
    )
    assert not Schedule.objects.exists()
    reckon_all()
    assert Schedule.objects.get().next_run_at > timezone.now()


def test_one_single_run_is_switched_off_after_it():
    at = timezone.now() + timedelta(seconds=30)
    clocked = make("clocked", clocked=ClockedSchedule.objects.create(clocked_time=at), one_off=True)
    assert clocked.next_run_at == at
    every = make("one of an interval", every=1, one_off=True)
    for schedule in (clocked, every):
        due(schedule)
    fire.fire_due()
    fire.fire_due(timezone.now() + timedelta(minutes=5))
    reckon_all()
    fire.fire_due(timezone.now() + timedelta(minutes=10))
    assert Job.objects.count() == 2
    for schedule in (clocked, every):
        schedule.refresh_from_db()
        schedule.task.refresh_from_db()
        assert schedule.next_run_at is None and schedule.task.enabled is False


def test_running_now_leaves_the_plan_alone():
    schedule, user = make(), make_user("lena")
    before = schedule.next_run_at
    job = fire.run_now(schedule, user)
    assert (job.schedule, job.slot, job.owner) == (schedule, None, user)
    schedule.refresh_from_db()
    assert schedule.next_run_at == before
    assert AuditEntry.objects.get(action="run now").user == user


def test_the_task_of_a_kind_keeps_its_secret_and_its_json():
    from jobs.core.redaction import decrypt, encrypt
    from tests.unit.api_kinds import VALID

    kwargs = json.dumps({**VALID, "password": encrypt("hunter2"), "colours": ["r", "g"], "fast": False})
    due(make(task="jobs.test-every", kwargs=kwargs))
    fire.fire_due()
    params = Job.objects.get().params
    assert "hunter2" not in json.dumps(params) and decrypt(params["password"]) == "hunter2"
    assert params["colours"] == ["r", "g"] and params["fast"] is False


def test_a_clock_fires_and_says_when_to_look_again():
    clock, schedule = Clock(), make()
    due(schedule)
    assert 0 <= clock.tick() <= 0.5
    assert Job.objects.count() == 1
    other = Clock()
    due(schedule)
    assert other.tick() == 1.0 and Job.objects.count() == 1  # another leads
    clock.leader.resign()
    other.tick()
    assert Job.objects.count() == 2


def test_changes_take_effect_within_five_seconds_whoever_makes_them(monkeypatch):
    clock, schedule = Clock(), make(every=7200)
    clock.tick()
    now = time.monotonic()
    IntervalSchedule.objects.update(every=3600)  # no signal
    PeriodicTask.objects.bulk_create(
        [PeriodicTask(name="new", task="jobs.add", interval=schedule.task.interval, date_changed=timezone.now())]
    )
    clock.tick()
    assert Schedule.objects.get(pk=schedule.pk).next_run_at == schedule.next_run_at
    monkeypatch.setattr(scheduler.time, "monotonic", lambda: now + 5)
    clock.tick()
    for found in Schedule.objects.all():
        assert found.next_run_at < timezone.now() + timedelta(hours=1)
    IntervalSchedule.objects.update(every=60)
    PeriodicTasks.update_changed()  # as django-celery-beat's manual has it: seen by the next turn
    clock.tick()
    assert Schedule.objects.get(pk=schedule.pk).next_run_at < timezone.now() + timedelta(minutes=1)


def test_an_idle_turn_asks_sql_once_however_many_schedules_there_are(monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(scheduler, "LEASE", 3600.0)
    monkeypatch.setattr(scheduler, "RECKON_EVERY", 3600.0)
    clock = Clock()
    make("one")
    clock.tick()
    with django_assert_num_queries(1):
        assert 0 < clock.tick() <= 0.5
    rule = IntervalSchedule.objects.create(every=60, period="hours")
    PeriodicTask.objects.bulk_create(
        PeriodicTask(name=f"{n}", task="jobs.add", interval=rule, date_changed=timezone.now()) for n in range(500)
    )
    PeriodicTasks.update_changed()
    clock.tick()
    assert Schedule.objects.filter(next_run_at__isnull=False).count() == 501
    with django_assert_num_queries(1):
        clock.tick()


def test_many_due_runs_start_in_a_fixed_number_of_statements(django_assert_max_num_queries):
    rule = IntervalSchedule.objects.create(every=60, period="hours")
    PeriodicTask.objects.bulk_create(
        PeriodicTask(name=f"{n}", task="jobs.add", kwargs='{"x": 1, "y": 2}', interval=rule,
                     date_changed=timezone.now()) for n in range(fire.BATCH)
    )  # fmt: skip
    reckon_all()
    slot = timezone.now()
    Schedule.objects.update(slot=slot, next_run_at=slot)
    with django_assert_max_num_queries(20):
        assert fire.fire_due() == fire.BATCH
    assert Job.objects.filter(slot=slot).values("schedule").distinct().count() == fire.BATCH
    assert PeriodicTask.objects.filter(total_run_count=1, last_run_at=slot).count() == fire.BATCH


def test_one_job_that_sql_refuses_keeps_no_other_from_starting():
    first, second, third = make("first"), make("second"), make("third")
    slot = due(second)
    Job.objects.create(kind="add", title="there already", queue="io", schedule=second, slot=slot)
    for schedule in (first, third):
        due(schedule)
    fire.fire_due()
    assert [schedule.jobs.count() for schedule in (first, second, third)] == [1, 1, 1]
    assert not Schedule.objects.filter(next_run_at__lte=timezone.now()).exists()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the limit is SQLite's")
def test_parameters_that_sql_cannot_keep_are_told_and_stop_nothing():
    # Of two bytes a letter in the schedule, of six in its job.
    bad = make("bad", task=f"{NAME}add", kwargs=json.dumps({"x": "é" * 100_000}, ensure_ascii=False))
    good = make("good")
    due(bad, ago=5)
    due(good)
    connection.connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 400_000)
    try:
        fire.fire_due()
    finally:
        connection.connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 10**9)
    assert [job.schedule for job in Job.objects.all()] == [good]
    entry = AuditEntry.objects.get(action="refused")
    assert entry.target == "bad" and "too big" in entry.detail["error"]
    bad.refresh_from_db()
    bad.task.refresh_from_db()
    assert bad.next_run_at > timezone.now() and bad.task.total_run_count == 0


@pytest.mark.parametrize(
    "bad",
    [
        {"task": f"{NAME}typed", "kwargs": r'{"count": 1, "name": "\ud83d"}'},
        {"task": f"{NAME}add", "kwargs": r'{"x": ["\ud83d"]}'},
        {"task": f"{NAME}add", "kwargs": r'{"\ud83d": 1, "\u0000": 2}'},
        {"task": f"{NAME}add", "kwargs": '{"x": 1}', "queue": "q" * 200},
    ],
    ids=["half a letter", "half a letter in JSON", "half a letter as a name", "a long queue"],
)
def test_what_only_postgresql_refuses_stops_nothing_on_either(bad):
    broken, good = make("bad", **bad), make("good")
    due(broken, ago=5)
    due(good)
    fire.fire_due()
    assert good.jobs.count() == 1
    assert not Schedule.objects.filter(next_run_at__lte=timezone.now()).exists()
    assert broken.jobs.count() + AuditEntry.objects.filter(action="refused", target="bad").count() == 1


@pytest.mark.parametrize("every", [0, -5])
def test_an_interval_without_length_stops_only_itself(every):
    broken, good = make("broken", every=30), make("good")
    IntervalSchedule.objects.filter(every=30).update(every=every)
    assert reckon_all() == 2
    due(good)
    fire.fire_due()
    assert good.jobs.count() == 1
    broken.refresh_from_db()
    assert broken.next_run_at is None


def test_a_task_without_any_rule_stops_only_itself():
    good = make("good")
    PeriodicTask.objects.bulk_create([PeriodicTask(name="bulk", task="jobs.add", date_changed=timezone.now())])
    assert reckon_all() == 2
    due(good)
    fire.fire_due()
    assert good.jobs.count() == 1
    assert Schedule.objects.get(task__name="bulk").next_run_at is None
