"""What the overview tells of what comes and what went."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from jobs import submit
from jobs.core.buckets import bucket_of, middle_of
from jobs.fleet import pause
from jobs.models import Schedule, Throughput, Timing
from jobs.schedules.agenda import MOST_LINES, agenda
from jobs.web import words
from jobs.web.pages.chart import HEIGHT, durations, per_minute
from jobs.web.warnings import waiting_since
from tests.unit.job_rows import make_job, olga, users  # noqa: F401

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def schedule(name, first, **rule):
    task = PeriodicTask.objects.create(name=name, task="jobs.add", **rule)
    Schedule.objects.filter(task=task).update(next_run_at=first)
    return Schedule.objects.get(task=task)


def cron(**fields):
    return CrontabSchedule.objects.create(timezone="UTC", **fields)


def told(lines):
    return [(line.schedule.task.name, f"{line.at:%d %H:%M}", line.often, line.together) for line in lines]


def test_runs_of_a_day_are_told_in_order_and_what_falls_together_is_marked():
    schedule("Nightly", datetime(2026, 11, 22, 2, 30, tzinfo=UTC), crontab=cron(hour="2", minute="30"))
    schedule("Report", datetime(2026, 11, 21, 18, 0, tzinfo=UTC), crontab=cron(hour="6,18", minute="0"))
    schedule("Backup", datetime(2026, 11, 22, 6, 0, tzinfo=UTC), crontab=cron(hour="6", minute="0"))
    assert told(agenda(NOW)) == [
        ("Report", "21 18:00", "", 0),
        ("Nightly", "22 02:30", "", 0),
        ("Report", "22 06:00", "", 1),
        ("Backup", "22 06:00", "", 1),
    ]


def test_what_runs_often_has_one_line():
    every = IntervalSchedule.objects.create(every=5, period="minutes")
    schedule("Poll", NOW + timedelta(minutes=3), interval=every, start_time=NOW - timedelta(minutes=2))
    assert told(agenda(NOW)) == [("Poll", "21 12:03", "Every 5 minutes", 0)]


def test_the_stored_next_run_counts_and_what_is_off_or_later_is_left_out():
    schedule("Skipped today", datetime(2026, 11, 23, 6, 0, tzinfo=UTC), crontab=cron(hour="6", minute="0"))
    schedule("Off", None, crontab=cron(hour="7", minute="0"), enabled=False)
    assert agenda(NOW) == []


def test_the_agenda_has_an_end():
    for number in range(MOST_LINES + 5):
        schedule(f"Nightly {number}", NOW + timedelta(hours=3), crontab=cron(hour="15", minute=str(number % 60)))
    assert len(agenda(NOW)) == MOST_LINES


def test_bars_stand_on_each_other_and_the_running_minute_is_open():
    Throughput.objects.create(minute=NOW, queue="io", finished=3, failed=1)
    Throughput.objects.create(minute=NOW - timedelta(minutes=1), queue="io", finished=8)
    chart = per_minute(NOW + timedelta(seconds=20))
    *_, before, last = chart["columns"]
    assert (before.finished_height, before.finished_y, before.is_open) == (HEIGHT, 0, False)
    assert (last.finished_height, last.failed_height, last.is_open) == (27.0, 9.0, True)
    assert last.finished_y + last.finished_height == last.failed_y == HEIGHT - 9
    assert (chart["finished"], chart["failed"], chart["most"]) == (11, 1, 8)
    assert per_minute(NOW + timedelta(hours=3)) is None


def test_durations_are_two_lines_on_one_scale_with_gaps():
    for minutes, seconds in ((0, 0.5), (1, 0.5), (2, 5), (4, 50)):
        at = NOW - timedelta(minutes=minutes)
        Timing.objects.create(minute=at, measure="run", bucket=bucket_of(seconds), number=1)
    chart = durations("run", NOW)
    assert chart["marks"] == ["1 min", "10 s", "1 s", "0.1 s"] and chart["grid"] == [72, 48, 24, 0]
    assert re.fullmatch(r"M574 [\d.]+L584 [\d.]+", chart["half"]["closed"])
    assert re.fullmatch(r"M554 [\d.]+h0", chart["half"]["dots"])
    assert re.fullmatch(r"M584 ([\d.]+)L594 \1", chart["half"]["open"])
    assert [column["x"] for column in chart["columns"]] == [550, 570, 580, 590]
    assert "half within" in chart["columns"][0]["text"]
    assert durations("wait", NOW) is None


def test_durations_beyond_the_scale_stay_on_its_edge():
    for minutes, seconds in ((1, 0.001), (2, 5_000_000)):
        at = NOW - timedelta(minutes=minutes)
        Timing.objects.create(minute=at, measure="wait", bucket=bucket_of(seconds), number=1)
    chart = durations("wait", NOW)
    assert chart["half"]["closed"] == f"M574 0.0L584 {HEIGHT}.0"
    assert (chart["marks"][0], chart["marks"][-1]) == ("100 h", "0.1 s") and chart["half_of_all"] == "0.1 s"


def test_the_page_shows_both_without_inline_styles(client, olga):  # noqa: F811
    now = timezone.now()
    Throughput.objects.create(minute=now.replace(second=0, microsecond=0), queue="io", finished=3, failed=1)
    Timing.objects.create(minute=now.replace(second=0, microsecond=0), measure="run", bucket=bucket_of(12), number=1)
    schedule("Nightly", now + timedelta(hours=3), crontab=cron(hour="2", minute="30"))
    client.force_login(olga)
    page = client.get("/").content.decode()
    assert "Next 24 hours" in page and "Nightly" in page
    assert f"95% within {words.duration(middle_of(bucket_of(12)))}" in page
    assert "3 ended well, 1 failed" in page and "<rect" in page and "style=" not in page


def test_schedules_that_did_not_start_on_time_are_a_warning(client, olga):  # noqa: F811
    now = timezone.now()
    schedule("A moment ago", now - timedelta(seconds=20), crontab=cron(hour="2", minute="30"))
    client.force_login(olga)
    assert "overdue" not in client.get("/").content.decode()
    schedule("Forgotten", now - timedelta(minutes=12), crontab=cron(hour="2", minute="31"))
    page = client.get("/").content.decode()
    assert "1 schedule is overdue." in page and "12 min" in page and '<a href="/schedules">Schedules</a>' in page


def test_a_paused_queue_is_a_warning_only_while_something_waits(client, olga):  # noqa: F811
    pause.pause("cpu", olga)
    client.force_login(olga)
    assert "is paused" not in client.get("/").content.decode()
    make_job(state="PENDING", kind="image", queue="cpu")
    page = client.get("/").content.decode()
    assert 'action="/workers/queues/cpu/resume"' in page
    assert "The queue cpu is paused by olga: 1 waiting." in page and "No worker listens to cpu" not in page


DAY = 86_400


def ago(seconds):
    return timezone.now() - timedelta(seconds=seconds)


def test_what_is_retried_waits_since_then(client, olga):  # noqa: F811
    job = submit.retry(make_job(state="FAILURE", ago=6 * DAY), olga)
    client.force_login(olga)
    page = client.get("/").content.decode()
    assert re.search(r"1 queued, oldest waiting [\d.]+ s\.", page)
    assert re.search(r"No worker listens to io: 1 waiting, oldest [\d.]+ s\.", page)
    assert re.search(r"io, normal, waiting [\d.]+ s", client.get(job.get_absolute_url()).content.decode())


def test_what_has_become_due_waits_since_then_and_another_longer(client, olga):  # noqa: F811
    make_job(state="PENDING", ago=4 * DAY, due_at=ago(5))
    make_job(state="PENDING", ago=2 * 3600)
    client.force_login(olga)
    page = client.get("/").content.decode()
    assert "2 queued, oldest waiting 2 h" in page and "No worker listens to io: 2 waiting, oldest 2 h" in page


def test_each_queue_has_its_own_that_has_waited_longest():
    make_job(state="PENDING", ago=6 * DAY, published_at=ago(30))
    make_job(state="PENDING", ago=5 * DAY, due_at=ago(4000), published_at=ago(50))
    make_job(state="PENDING", kind="image", ago=5 * DAY, changed=ago(70))
    make_job(state="PENDING", ago=5 * DAY, blocked=True)
    make_job(state="PENDING", ago=5 * DAY, due_at=ago(-DAY))
    make_job(state="STARTED", ago=5 * DAY)
    waited = {queue: (timezone.now() - since).total_seconds() for queue, since in waiting_since(timezone.now()).items()}
    assert waited == {"io": pytest.approx(50, abs=5), "cpu": pytest.approx(70, abs=5)}


def test_the_longest_wait_is_looked_for_along_an_index_among_so_many():
    with CaptureQueriesContext(connection) as queries:
        waiting_since(timezone.now())
    with connection.cursor() as db:
        db.execute(f"EXPLAIN QUERY PLAN {queries[-1]['sql']}")
        plan = [row[3] for row in db.fetchall()]
    assert "LIMIT" in queries[-1]["sql"] and any("INDEX job_state (state=?)" in step for step in plan), plan
    assert any("PRIMARY KEY" in step for step in plan) and not any("ORDER BY" in step for step in plan), plan
