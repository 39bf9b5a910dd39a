"""A table of schedules of all sorts, left by stock beat: what it would send, and when, ours sends too, or warns.

Stock's own DatabaseScheduler runs on the table first, then ours on the same; both send to the same Redis. Of stock one
fault is put aside, that it does not even load crontabs whose hour is not near.
"""

import base64
import json
import time
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from celery import current_app, shared_task
from django.db.models import Q
from django.utils import timezone
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from django_celery_beat.schedulers import DatabaseScheduler
from kombu import Connection, Exchange, Queue

from jobs.models import AuditEntry, Schedule
from jobs.schedules import fire
from jobs.schedules.scheduler import Clock
from jobs.web.warnings import all_warnings
from jobs.wire.connection import redis_client
from tests.unit.foreign_tasks import NAME
from tests.unit.test_schedule_fire import due, make

pytestmark = pytest.mark.django_db(transaction=True)

#: Headers that each sender writes for itself, or that say how it was sent.
OWN = {
    "id", "root_id", "origin", "argsrepr", "kwargsrepr", "lang", "expires", "shadow", "group_index", "ignore_result",
    "jobsite_attempt", "jobsite_retries", "jobsite_published", "jobsite_user", "jobsite_policy",
}  # fmt: skip
#: [s] that lie between the two schedulers' runs at most.
CLOSE = 10.0


@shared_task(name="jobs.nightly-sync")
def nightly_sync(shop: int, *, full: bool = False):
    """A task of the project's own, called as if it were Jobsite's."""


@shared_task(name="celery.debug_report")
def debug_report():
    """And one called as if it were Celery's."""


class Stock(DatabaseScheduler):
    def _get_crontab_exclude_query(self):
        return Q(pk__in=[])


def every(number, period):
    return {"interval": IntervalSchedule.objects.get_or_create(every=number, period=period)[0]}


def cron(line, zone="UTC"):
    minute, hour, day, month, weekday = line.split()
    return {"crontab": CrontabSchedule.objects.create(minute=minute, hour=hour, day_of_month=day, month_of_year=month,
                                                      day_of_week=weekday, timezone=ZoneInfo(zone))}  # fmt: skip


def clocked(at):
    return {"clocked": ClockedSchedule.objects.create(clocked_time=at), "one_off": True}


def table(now):
    """{name: (fields, how long ago it ran, what is to happen)}; "sent" by both, "waits" in both, "warns" in ours where
    stock logs an error or drops it without a word."""
    ago, due = timedelta, every(50, "seconds")
    minute = timedelta(minutes=1)
    soon = (now + 8 * minute).minute
    add, other = {"task": f"{NAME}add", "args": "[1]"}, {"task": "warehouse.tasks.count"}
    sunset = SolarSchedule.objects.create(event="sunset", latitude="52.520000", longitude="13.400000")
    return {
        "seconds": ({**due, **add}, minute, "sent"),
        "minutes": ({**every(5, "minutes"), **add}, minute, "waits"),
        "hours": ({**every(1, "hours"), **add}, ago(minutes=90), "sent"),
        "days, missed by an hour": ({**every(1, "days"), **add}, ago(hours=25), "sent"),
        "microseconds": ({**every(50_000_000, "microseconds"), **add}, minute, "sent"),
        "each hour": ({**cron(f"{(now - 3 * minute).minute} * * * *"), **add}, ago(minutes=30), "sent"),
        "New York": ({**cron("30 9 * * *", "America/New_York"), **add}, ago(seconds=1), "waits"),
        "office hours": ({**cron(f"{soon} 8-18/2 * * 1-5", "Asia/Kolkata"), **add}, ago(seconds=1), "waits"),
        "sunset": ({"solar": sunset, **add}, ago(seconds=1), "waits"),
        "sunset, missed": ({"solar": sunset, **add}, ago(hours=26), "sent"),
        "once, missed": ({**clocked(now - minute), **add}, None, "sent"),
        "once, to come": ({**clocked(now + 4 * minute), **add}, None, "waits"),
        "once, ran": ({**due, **add, "one_off": True, "total_run_count": 1}, ago(hours=1), "nothing"),
        "ended": ({**due, **add, "expires": now - minute}, ago(hours=1), "nothing"),
        "ends": ({**due, **add, "expires": now + ago(hours=2)}, minute, "sent"),
        "expires": ({**due, **add, "expire_seconds": 3600}, minute, "sent"),
        "starts": ({**every(1, "hours"), **add, "start_time": now + ago(hours=3)}, None, "waits"),
        "off": ({**due, **add, "enabled": False}, minute, "nothing"),
        "priority 255": ({**due, **add, "priority": 255}, minute, "sent"),
        "priority 5": ({**due, **other, "priority": 5, "queue": "stock"}, minute, "sent"),
        "priority 0": ({**due, **add, "priority": 0}, minute, "sent"),
        "headers": ({**due, **add, "headers": '{"tenant": "north", "n": [1]}'}, minute, "sent"),
        "another code base": ({**due, **other, "args": '["bolts", 3]', "kwargs": '{"deep": {"a": null}}',
                              "priority": 6}, minute, "sent"),
        "exchange": ({**due, **other, "exchange": "parts", "routing_key": "parts.new", "priority": 6}, minute, "sent"),
        "routing key alone": ({**due, **other, "queue": "stock", "routing_key": "x", "priority": 3}, minute, "sent"),
        "called jobs.": ({**due, "task": "jobs.nightly-sync", "args": "[7]", "kwargs": '{"full": true}'}, minute,
                         "sent"),
        "called celery.": ({**due, "task": "celery.debug_report"}, minute, "sent"),
        "types that differ": ({**due, "task": f"{NAME}typed", "args": '["seven", 8]', "kwargs": '{"day": "soon"}'},
                              minute, "sent"),
        "types that JSON tells": ({**due, "task": f"{NAME}add", "args": json.dumps(
            [{"__type__": "datetime", "__value__": "2026-01-02T03:04:05+00:00"}])}, minute, "sent"),
        "no such argument": ({**due, "task": f"{NAME}add", "kwargs": '{"z": 1}'}, minute, "warns"),
        "no JSON": ({**due, "task": f"{NAME}add", "args": "[1,"}, minute, "warns"),
        "headers are no JSON": ({**due, **add, "headers": "{tenant}"}, minute, "warns"),
        "arguments are no list": ({**due, **other, "args": '{"a": 1}'}, minute, "warns"),
        "bound to nothing": ({**due, **other, "exchange": "nobody", "routing_key": "x"}, minute, "warns"),
    }  # fmt: skip


@pytest.fixture
def left_by_stock():
    """The table, as stock beat leaves it: no row of ours beside it."""
    now = timezone.now()
    with Connection(current_app.conf.broker_url) as connection:
        # Another code base's worker listens to a queue that this one does not know.
        Queue("spare-parts", Exchange("parts"), "parts.new", channel=connection.channel()).declare()
    rows = table(now)
    for name, (fields, ago, _) in rows.items():
        PeriodicTask.objects.create(name=name, **fields)
        ran = now - ago if ago is not None else None
        made = now - timedelta(days=40) if ago is not None else now - timedelta(hours=1)
        PeriodicTask.objects.filter(name=name).update(last_run_at=ran, date_changed=made)
    Schedule.objects.all().delete()
    AuditEntry.objects.all().delete()
    return rows


def sent():
    """{schedule's name: its messages, each with the list that it lies in}; takes them away."""
    client, found = redis_client(), {}
    for key in client.keys("*"):
        if client.type(key) != "list":
            continue
        for text in client.lrange(key, 0, -1):
            message = json.loads(text)
            message["list"] = key
            found.setdefault(message["headers"]["periodic_task_name"], []).append(message)
        client.delete(key)
    return found


def what(message):
    """All of a message that its worker can see, but for who sent it."""
    headers, properties = message["headers"], message["properties"]
    args, kwargs, embed = json.loads(base64.b64decode(message["body"]))
    expires = headers.get("expires")
    if expires:
        left = timezone.datetime.fromisoformat(expires) - timezone.now()
        expires = f"in {round(left.total_seconds() / 60)} minutes"
    return {
        "list": message["list"], "args": args, "kwargs": kwargs, "embed": embed, "expires": expires,
        "headers": {name: value for name, value in headers.items() if name not in OWN},
        "delivery": properties["delivery_info"], "priority": properties["priority"],
        "mode": properties["delivery_mode"], "type": message["content-type"],
    }  # fmt: skip


def run_stock():
    """What stock beat sends as it starts, and when each would run next ([s] from now; None: never)."""
    beat = Stock(app=current_app)
    until = time.monotonic() + 30
    while beat.tick() == 0:
        assert time.monotonic() < until
    following = {}
    for name, entry in beat.schedule.items():
        is_due, seconds = entry.is_due()
        following[name] = None if is_due is False and seconds > 1e8 else timezone.now() + timedelta(seconds=seconds)
    return sent(), following


def run_ours():
    clock = Clock()
    until = time.monotonic() + 30
    while clock.tick() < 0.3:
        assert time.monotonic() < until
    rows = Schedule.objects.select_related("task")
    return sent(), {row.task.name: row for row in rows}


def same_time(one, other):
    if one is None or other is None:
        return one is other
    return abs((one - other).total_seconds()) < CLOSE


@pytest.fixture
def both(left_by_stock):
    before = list(PeriodicTask.objects.values())
    stock = run_stock()
    PeriodicTask.objects.exclude(pk__in=[row["id"] for row in before]).delete()  # its own clean-up
    for row in before:
        PeriodicTask.objects.filter(pk=row["id"]).update(**row)
    Schedule.objects.all().delete()
    AuditEntry.objects.all().delete()
    assert sent() == {}
    return left_by_stock, stock, run_ours()


def test_each_fires_as_under_stock_beat_or_warns(both):
    rows, (stock_sent, stock_next), (our_sent, ours) = both
    assert len(rows) >= 18
    wrong = {}
    for name, (_, _, expected) in rows.items():
        theirs, mine, row = stock_sent.get(name, []), our_sent.get(name, []), ours[name]
        if expected == "sent":
            if list(map(what, theirs)) != list(map(what, mine)) or len(mine) != 1:
                wrong[name] = (list(map(what, theirs)), list(map(what, mine)), row.trouble)
        elif mine or (theirs and name != "arguments are no list"):  # stock sends the object's names as arguments
            wrong[name] = ("sent", len(theirs), len(mine))
        if bool(row.trouble) != (expected == "warns"):
            wrong[name] = ("trouble", row.trouble)
        if expected in ("sent", "waits"):
            theirs_next, mine_next = stock_next.get(name), row.next_run_at
            if name == "once, missed":
                theirs_next = None  # it stays enabled there until the table is read anew
            if not same_time(theirs_next, mine_next):
                wrong[name] = ("next", theirs_next, mine_next)
        elif expected == "nothing" and row.next_run_at is not None:
            wrong[name] = ("next", row.next_run_at)
    assert wrong == {}
    refused = sorted(AuditEntry.objects.filter(action="refused").values_list("target", flat=True))
    warned = sorted(name for name, row in rows.items() if row[2] == "warns")
    assert refused == warned, "each is told once"
    told = [alert.what for alert in all_warnings() if "cannot start" in alert.what]
    assert len(told) == 1 and f"{len(warned)} schedules cannot start" in told[0]


def test_what_was_missed_is_made_up_for_once_and_then_goes_on(left_by_stock):
    """A daily interval, an hour late as ours takes over: at once, and a day later; another turn sends nothing more."""
    our_sent, rows = run_ours()
    name = "days, missed by an hour"
    assert len(our_sent[name]) == 1
    assert timedelta(hours=23.9) < rows[name].next_run_at - timezone.now() < timedelta(hours=24.1)
    assert name not in run_ours()[0]


def test_a_schedule_made_here_waits_for_its_first_run():
    PeriodicTask.objects.create(name="new", task=f"{NAME}add", args="[1]", **every(1, "hours"))
    our_sent, rows = run_ours()
    assert our_sent == {} and rows["new"].next_run_at > timezone.now() + timedelta(minutes=59)


def test_what_cannot_start_is_told_once_until_it_can():
    bad = make("bad", kwargs='{"x": "seven"}')
    assert "x" in bad.trouble, "told as it is stored, not at its first run"
    for _ in range(3):
        due(bad)
        fire.fire_due()
    assert AuditEntry.objects.filter(action="refused", target="bad").count() == 1
    bad.task.kwargs = '{"x": "eight"}'
    bad.task.save()
    assert AuditEntry.objects.filter(action="refused", target="bad").count() == 1, "the same trouble"
    bad.task.kwargs = '{"x": 8, "y": 1}'
    bad.task.save()
    bad.refresh_from_db()
    assert bad.trouble == "" and bad.jobs.count() == 0
    due(bad)
    fire.fire_due()
    assert bad.jobs.count() == 1


def test_what_ran_under_stock_beat_meanwhile_is_not_run_again():
    schedule = make(every=3600)
    due(schedule, ago=1800)
    ran = timezone.now() - timedelta(seconds=600)
    PeriodicTask.objects.update(last_run_at=ran)
    fire.fire_due()
    schedule.refresh_from_db()
    assert schedule.jobs.count() == 0 and schedule.next_run_at == ran + timedelta(seconds=3600)
