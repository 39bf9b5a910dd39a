"""The pages of schedules: list, one schedule, form with live preview, actions, and who may do what."""

import json
import re
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from jobs.core.redaction import decrypt
from jobs.models import Artifact, AuditEntry, Job, Schedule
from jobs.schedules.fire import run_now
from tests.unit.api_client import make_user
from tests.unit.api_kinds import VALID
from tests.unit.schedule_making import make_schedule

pytestmark = pytest.mark.django_db(transaction=True)
WHEN = {
    "schedule-name": "Nightly", "schedule-rule": "cron", "schedule-cron": "30 4 * * *",
    "schedule-timezone": "Europe/Berlin", "schedule-enabled": "on",
}  # fmt: skip


@pytest.fixture
def olga():
    return make_user("olga", is_staff=True)


@pytest.fixture
def browser(client, olga):
    client.force_login(olga)
    return client


def ran(schedule, states, **more):
    now = timezone.now()
    for age, state in enumerate(reversed(states)):
        Job.objects.create(kind="add", title="Nightly", queue="io", state=state, schedule=schedule,
                           slot=now - timedelta(hours=len(states) - age), **more)  # fmt: skip


def test_empty(browser):
    assert "Nothing repeats yet." in browser.get("/schedules/").text


def test_the_list_tells_words_zone_next_and_last(browser, olga):
    schedule = make_schedule(olga)
    ran(schedule, ["FAILURE", "SUCCESS", "SUCCESS"])
    page = browser.get("/schedules/").text
    assert "Daily at 04:30" in page and "30 4 * * *" in page and "Europe/Berlin" in page
    assert re.search(r"<time[^>]*>\d{4}-\d\d-\d\d 04:30:00</time>", page)  # in its own zone
    last = schedule.jobs.order_by("-seq").first()
    assert re.search(rf'href="{last.get_absolute_url()}"[^>]*>\s*<span class="state state-failed"', page)
    assert 'aria-label="Last 3: 2 succeeded, 1 failed"' in page
    assert "style=" not in page


def test_the_strip_has_the_last_sixty_of_each_in_a_fixed_number_of_queries(browser, olga):
    first = make_schedule(olga, "First")
    ran(first, ["SUCCESS"] * 70)
    browser.get("/schedules/")

    def queries():
        with CaptureQueriesContext(connection) as seen:
            page = browser.get("/schedules/").text
        return len(seen), page

    few, page = queries()
    assert page.count("<rect") == 60
    for number in range(10):
        ran(make_schedule(olga, f"More {number}"), ["SUCCESS", "FAILURE"])
    many, page = queries()
    assert many == few and page.count("<rect") == 80


def test_overdue_is_marked_once_it_is_late(browser, olga):
    schedule = make_schedule(olga)
    Schedule.objects.update(next_run_at=timezone.now() - timedelta(minutes=12, seconds=5))
    assert "Overdue 12:0" in browser.get("/schedules/").text
    assert "Overdue 12:0" in browser.get(schedule.get_absolute_url()).text
    Schedule.objects.update(next_run_at=timezone.now() - timedelta(seconds=5))
    assert "Overdue" not in browser.get("/schedules/").text


def test_run_now_pause_and_resume(browser, olga):
    schedule = make_schedule(olga)
    act = f"/schedules/{schedule.pk}/act"
    assert browser.post(act, {"action": "run", "back": schedule.get_absolute_url()}).url == schedule.get_absolute_url()
    assert Job.objects.get().schedule == schedule
    browser.post(act, {"action": "pause"})
    schedule.refresh_from_db()
    assert schedule.next_run_at is None and not PeriodicTask.objects.get().enabled
    assert "Paused" in browser.get("/schedules/").text
    browser.post(act, {"action": "resume"})
    schedule.refresh_from_db()
    assert schedule.next_run_at > timezone.now()
    assert [entry.action for entry in AuditEntry.objects.order_by("pk")] == [
        "create schedule", "run now", "pause", "resume",
    ]  # fmt: skip
    assert browser.post(act, {"action": "run", "back": "https://evil.example/"}).url == "/schedules"


def test_skip_next_and_do_not_skip(browser, olga):
    schedule = make_schedule(olga)
    slot = schedule.next_run_at
    local = f"{slot.astimezone(schedule.task.crontab.timezone):%Y-%m-%d %H:%M}"
    act = f"/schedules/{schedule.pk}/act"
    page = browser.post(act, {"action": "skip"}, follow=True).text
    assert f"skips the run of {local}" in page and f"Skips the run of {local}:00." in page
    assert 'value="unskip"' in page and 'value="skip"' not in page
    assert slot not in [
        run.astimezone(slot.tzinfo) for run in browser.get(schedule.get_absolute_url()).context["outlook"].runs
    ]
    page = browser.post(act, {"action": "unskip", "back": schedule.get_absolute_url()}, follow=True)
    assert 'value="skip"' in page.text and page.context["outlook"].runs[0] == slot
    Schedule.objects.update(slot=None, next_run_at=None)
    assert "No run is planned" in browser.post(act, {"action": "skip"}, follow=True).text


def test_pause_until_is_a_time_of_the_schedules_zone_and_ends_by_itself_or_early(browser, olga):
    schedule = make_schedule(olga)
    act = f"/schedules/{schedule.pk}/act"
    day = timezone.now() + timedelta(days=10)
    page = browser.post(act, {"action": "pause-until", "until": f"{day:%Y-%m-%d}T04:00"}, follow=True).text
    assert f"is paused until {day:%Y-%m-%d} 04:00, Europe/Berlin" in page
    assert f"{day:%Y-%m-%d} 04:00:00</time>" in page and 'value="resume"' in page and 'value="pause"' not in page
    schedule.refresh_from_db()
    assert (
        f"{schedule.next_run_at.astimezone(schedule.task.crontab.timezone):%Y-%m-%d %H:%M}" == f"{day:%Y-%m-%d} 04:30"
    )
    assert PeriodicTask.objects.get().enabled
    browser.post(act, {"action": "resume"})
    schedule.refresh_from_db()
    assert schedule.paused_until is None and schedule.next_run_at < day


@pytest.mark.parametrize(
    ("until", "text"), [("", "Until when?"), ("soon", "Until when?"), ("2020-01-01T00:00", "has passed")]
)
def test_a_pause_until_no_time_is_refused(browser, olga, until, text):
    schedule = make_schedule(olga)
    page = browser.post(f"/schedules/{schedule.pk}/act", {"action": "pause-until", "until": until}, follow=True).text
    assert text in page
    schedule.refresh_from_db()
    assert schedule.paused_until is None


def test_a_run_that_is_held_back_and_those_left_out_are_told(browser, olga):
    schedule = make_schedule(olga, overlap="queue")
    Schedule.objects.update(held=timezone.now(), left_out=3)
    for address in ("/schedules/", schedule.get_absolute_url()):
        page = browser.get(address).text
        assert "back until the former one has ended" in page and "still running: 3." in page


def test_run_now_that_is_refused_says_why(browser, olga):
    schedule = make_schedule(olga)
    PeriodicTask.objects.update(kwargs='{"x": "seven"}')
    page = browser.post(f"/schedules/{schedule.pk}/act", {"action": "run"}, follow=True).text
    assert "It could not start: x: Enter a number." in page and not Job.objects.exists()


def test_deleting_leaves_the_jobs(browser, olga):
    schedule = make_schedule(olga)
    ran(schedule, ["SUCCESS"])
    browser.post(f"/schedules/{schedule.pk}/act", {"action": "delete"})
    assert not PeriodicTask.objects.exists() and not Schedule.objects.exists()
    assert Job.objects.get().schedule is None


def test_a_schedule_and_its_jobs_name_each_other(browser, olga):
    schedule = make_schedule(olga)
    job = run_now(schedule, olga)
    assert job.get_absolute_url() in browser.get(schedule.get_absolute_url()).text
    assert schedule.get_absolute_url() in browser.get(job.get_absolute_url()).text


# --- the form


def test_the_form_makes_a_schedule(browser, olga):
    page = browser.get("/schedules/new").text
    assert "/schedules/new?kind=add" in page
    page = browser.get("/schedules/new?kind=add").text
    assert 'name="x"' in page and 'value="Add"' in page
    answer = browser.post("/schedules/new?kind=add", {**WHEN, "x": "4", "y": "5"})
    schedule = Schedule.objects.get()
    assert answer.url == schedule.get_absolute_url()
    task = schedule.task
    assert (task.task, json.loads(task.kwargs), schedule.owner) == ("jobs.add", {"x": 4.0, "y": 5.0}, olga)
    assert str(task.crontab.timezone) == "Europe/Berlin" and schedule.next_run_at > timezone.now()
    assert schedule.next_run_at.astimezone(task.crontab.timezone).strftime("%H:%M") == "04:30"


@pytest.mark.parametrize(
    ("fields", "name", "text"),
    [
        ({"schedule-cron": "0 0 30 2 *"}, "cron", "Day 30 of month 2 never comes"),
        ({"schedule-cron": "61 * * * *"}, "cron", "This cannot be read"),
        ({"schedule-cron": "daily"}, "cron", "five"),
        ({"schedule-cron": ""}, "cron", "Fill this in"),
        ({"schedule-cron": "1," * 150 + "1 * * * *"}, "cron", "too long"),
        ({"schedule-timezone": "Mars/Base"}, "timezone", "Mars/Base"),
        ({"schedule-name": ""}, "name", "Fill this in"),
        ({"schedule-rule": "every"}, "every", "Fill this in"),
        ({"schedule-rule": "every", "schedule-every": "0"}, "every", "greater than or equal to 1"),
        ({"schedule-rule": "every", "schedule-every": "400000", "schedule-period": "days"}, "every", "ten years"),
        ({"schedule-rule": "once"}, "at", "Say when"),
        ({"schedule-rule": "once", "schedule-at": "2020-01-01T10:00"}, "at", "has passed"),
        ({"schedule-rule": "once", "schedule-at": "2027-03-28T02:30"}, "at", "Europe/Berlin"),
        ({"schedule-end": "2020-01-01T00:00"}, "end", "no run left"),
        ({"schedule-start": "2030-01-02T00:00", "schedule-end": "2030-01-01T00:00"}, "end", "before the start"),
        ({"schedule-start": "9999-12-31T23:59"}, "start", "2199"),
        ({"schedule-queue": "nosuch"}, "queue", "nosuch"),
        ({"schedule-overlap": "maybe"}, "overlap", "maybe"),
        ({"schedule-misfire": "some"}, "misfire", "some"),
        ({"schedule-misfire_limit": "0"}, "misfire_limit", "greater than or equal to 1"),
        ({"schedule-misfire_limit": "101"}, "misfire_limit", "less than or equal to 100"),
        ({"schedule-jitter": "-1"}, "jitter", "greater than or equal to 0"),
        ({"schedule-jitter": "86401"}, "jitter", "less than or equal to 86400"),
        ({"schedule-paused_until": "2020-01-01T00:00"}, "paused_until", "has passed"),
        (
            {"schedule-paused_until": "2199-01-01T00:00", "schedule-end": "2100-01-01T00:00"},
            "paused_until",
            "no run left",
        ),
    ],
)
def test_what_is_wrong_is_told_at_its_field(browser, fields, name, text):
    answer = browser.post("/schedules/new?kind=add", {**WHEN, "x": "1", "y": "2", **fields})
    assert answer.status_code == 422
    when = answer.context["when"]
    assert text in " ".join(when.errors[name]), when.errors
    assert f'id="id_schedule-{name}_error"' in answer.text
    assert not PeriodicTask.objects.exists()


def test_names_are_unique_and_a_free_one_is_proposed(browser, olga):
    make_schedule(olga, "Add")
    assert 'value="Add 2"' in browser.get("/schedules/new?kind=add").text
    answer = browser.post("/schedules/new?kind=add", {**WHEN, "schedule-name": "Add", "x": "1", "y": "2"})
    assert "Another schedule has this name" in answer.text


def test_editing_shows_and_keeps_what_is_stored(browser, olga):
    schedule = make_schedule(olga, start="2030-01-01T08:00", misfire="skip", priority="high", description="why")
    page = browser.get(f"/schedules/{schedule.pk}/edit/")
    assert 'value="30 4 * * *"' in page.text and 'value="2030-01-01T08:00"' in page.text
    initial = page.context["when"].initial
    sent = {f"schedule-{name}": value for name, value in initial.items() if value not in (None, "")}
    sent["schedule-start"] = "2030-01-01T08:00"
    answer = browser.post(f"/schedules/{schedule.pk}/edit/", {**sent, "x": "9", "y": "2", "schedule-cron": "0 6 * * *"})
    assert answer.status_code == 302, answer.context["when"].errors
    schedule.refresh_from_db()
    task = PeriodicTask.objects.get()
    assert (task.crontab.hour, task.priority, task.description, schedule.misfire) == ("6", 3, "why", "skip")
    assert task.start_time.isoformat() == "2030-01-01T07:00:00+00:00"
    assert schedule.next_run_at == task.start_time + timedelta(hours=22)
    assert json.loads(task.kwargs)["x"] == 9.0


def test_the_form_asks_in_order_and_keeps_what_it_stores(browser, olga):
    until = f"{timezone.now() + timedelta(days=3):%Y-%m-%d}T07:00"
    terms = {"overlap": "queue", "misfire": "all", "misfire_limit": "7", "jitter": "90", "paused_until": until}
    sent = {**WHEN, **{f"schedule-{name}": value for name, value in terms.items()}, "x": "1", "y": "2"}
    assert browser.post("/schedules/new?kind=add", sent).status_code == 302
    schedule = Schedule.objects.get()
    assert (schedule.overlap, schedule.misfire, schedule.misfire_limit, schedule.jitter) == ("queue", "all", 7, 90)
    page = browser.get(f"/schedules/{schedule.pk}/edit/").text
    assert f'value="{until}"' in page
    order = ["x", "schedule-rule", "schedule-timezone", "schedule-overlap", "schedule-misfire", "schedule-start",
             "schedule-end"]  # fmt: skip
    places = [page.index(f'name="{name}"') for name in order]
    assert places == sorted(places)
    before = schedule.next_run_at
    browser.post(f"/schedules/{schedule.pk}/edit/", {**sent, "schedule-description": "a note"})
    schedule.refresh_from_db()
    assert (schedule.next_run_at, schedule.jitter, schedule.overlap) == (before, 90, "queue")
    page = browser.get(schedule.get_absolute_url()).text
    assert "hold one run back until it has ended" in page and "make up for all, up to a limit: 7" in page


def test_a_shared_rule_is_not_changed_for_others(browser, olga):
    first, second = make_schedule(olga, "First"), make_schedule(olga, "Second")
    assert first.task.crontab_id == second.task.crontab_id
    browser.post(f"/schedules/{first.pk}/edit", {**WHEN, "schedule-cron": "0 6 * * *", "x": "1", "y": "2"})
    assert PeriodicTask.objects.get(name="Second").crontab.hour == "4"
    assert CrontabSchedule.objects.count() == 2


def test_files_and_secrets_are_kept_and_reach_the_job(browser, olga):
    upload = SimpleUploadedFile("note.txt", b"hello")
    sent = {**WHEN, **VALID, "width": "5", "mode": "fit", "angle": "0", "password": "hunter2", "files": upload}
    answer = browser.post("/schedules/new?kind=test-every", sent)
    assert answer.status_code == 302, answer.context and answer.context["form"].errors
    schedule = Schedule.objects.get()
    kwargs = json.loads(schedule.task.kwargs)
    assert decrypt(kwargs["password"]) == "hunter2" and "hunter2" not in schedule.task.kwargs
    artifact = Artifact.objects.get()
    assert (artifact.job, artifact.owner, artifact.id) == (None, olga, kwargs["files"][0]["artifact"])
    page = browser.get(f"/schedules/{schedule.pk}/edit/").text
    assert "note.txt" in page and "hunter2" not in page
    assert "hunter2" not in browser.get(schedule.get_absolute_url()).text

    again = {**sent, "files__kept": artifact.id, "password": ""}
    del again["files"]
    assert browser.post(f"/schedules/{schedule.pk}/edit/", again).status_code == 302
    schedule = Schedule.objects.get()
    kwargs = json.loads(schedule.task.kwargs)
    assert decrypt(kwargs["password"]) == "hunter2" and kwargs["files"][0]["artifact"] == artifact.id
    kwargs["password"] = "encrypted:under another key"
    PeriodicTask.objects.update(kwargs=json.dumps(kwargs))
    assert "cannot be read any more" in browser.get(f"/schedules/{schedule.pk}/edit/").text
    assert browser.post(f"/schedules/{schedule.pk}/edit/", again).status_code == 422
    assert browser.post(f"/schedules/{schedule.pk}/edit/", again | {"password": "hunter2"}).status_code == 302
    job = run_now(Schedule.objects.get(), olga)
    assert decrypt(job.params["password"]) == "hunter2"
    assert Artifact.storage().open(job.params["files"][0]["path"]).read() == b"hello"
    assert job.artifacts.get().path == artifact.path


def test_a_file_of_a_job_becomes_the_schedules_own(browser, olga):
    job = Job.objects.create(kind="test-every", title="old", queue="cpu", owner=olga)
    path = Artifact.storage().save("inputs/a.txt", SimpleUploadedFile("a.txt", b"abc"))
    old = Artifact.objects.create(job=job, owner=olga, name="a.txt", size=3, path=path)
    sent = {**WHEN, **VALID, "width": "5", "mode": "fit", "angle": "0", "files__kept": old.id}
    assert browser.post("/schedules/new?kind=test-every", sent).status_code == 302
    job.delete()  # as pruning does
    reference = json.loads(PeriodicTask.objects.get().kwargs)["files"][0]
    assert Artifact.objects.get(id=reference["artifact"]).path == path
    run_now(Schedule.objects.get(), olga)


def test_bad_parameters_are_told_and_files_stay(browser):
    upload = SimpleUploadedFile("note.txt", b"hello")
    sent = {**WHEN, "text": "h", "width": "5", "mode": "fit", "angle": "0", "files": upload}
    answer = browser.post("/schedules/new?kind=test-every", sent)
    assert answer.status_code == 422 and "text" in answer.context["form"].errors
    assert 'name="files__kept"' in answer.text and "note.txt" in answer.text


def test_the_preview_tells_words_runs_and_clock_changes(browser):
    nightly = {**WHEN, "schedule-cron": "30 2 * * *", "x": "1", "y": "2"}
    answer = browser.post("/schedules/preview?kind=add", nightly).text
    assert "Daily at 02:30" in answer and answer.count("<tr>") == 10
    assert re.search(r"\d\d March: 02:30 does not exist, runs 03:00", answer)
    nothing = browser.post("/schedules/preview?kind=add", {**WHEN, "schedule-cron": "", "x": "", "y": ""}).text
    assert "Still to fill in: X" not in nothing and "Still to fill in" in nothing and 'class="error"' not in nothing
    wrong = browser.post(
        "/schedules/preview?kind=add", {**WHEN, "schedule-cron": "0 0 30 2 *", "x": "a", "y": "2"}
    ).text
    assert "never comes" in wrong and "Enter a number" in wrong


def test_check_works_without_scripts(browser):
    answer = browser.post("/schedules/new?kind=add", {**WHEN, "x": "1", "y": "2", "check": "1"})
    assert answer.status_code == 200 and "Daily at 04:30" in answer.text and not PeriodicTask.objects.exists()


# --- who may


def test_submitters_see_and_steer_only_their_own(client, olga):
    lena = make_user("lena")
    client.force_login(lena)
    assert 'data-page="schedules"' not in client.get("/jobs/").text
    theirs = make_schedule(olga, "Olga's")
    mine = make_schedule(olga, "Lena's")
    Schedule.objects.filter(pk=mine.pk).update(owner=lena)
    page = client.get("/schedules/").text
    assert "Lena&#x27;s" in page and "Olga&#x27;s" not in page and "/schedules/new" not in page
    assert 'data-page="schedules"' in page
    assert client.get(theirs.get_absolute_url()).status_code == 404
    assert client.post(f"/schedules/{theirs.pk}/act", {"action": "run"}).status_code == 404
    assert client.post(f"/schedules/{mine.pk}/act", {"action": "pause"}).status_code == 302
    for address in ("/schedules/new", f"/schedules/{mine.pk}/edit"):
        assert client.get(address).status_code == 403
    assert client.post(f"/schedules/{mine.pk}/act", {"action": "delete"}).status_code == 403
    assert Schedule.objects.count() == 2


def test_strangers_are_led_to_the_login(client):
    for address in ("/schedules/", "/schedules/1/", "/schedules/new", "/schedules/rows"):
        assert client.get(address).url.startswith("/login")


@pytest.mark.parametrize("address", ["99/", "99999999999999999999999/", "99/edit", "new?kind=nosuch"])
def test_what_is_not_there_is_404(browser, address):
    assert browser.get(f"/schedules/{address}").status_code == 404
