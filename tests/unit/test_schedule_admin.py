"""Schedules in Django's admin: kinds with their own forms, rules told, actions, links; the raw admins."""

import json
import re
import sys

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from django_celery_results.models import TaskResult

from jobs.core.redaction import decrypt
from jobs.models import ApiToken, Artifact, Attempt, AuditEntry, Job, Schedule
from tests.unit.api_client import Program, make_user
from tests.unit.schedule_making import make_schedule
from tests.unit.test_schedules_page import WHEN

pytestmark = pytest.mark.django_db(transaction=True)
LIST = "/admin/django_celery_beat/periodictask/"
ADD = f"{LIST}add/"


@pytest.fixture
def boss():
    return make_user("boss", is_staff=True, is_superuser=True)


@pytest.fixture
def browser(client, boss):
    client.force_login(boss)
    return client


def change(schedule):
    return f"{LIST}{schedule.task_id}/change/"


def test_kinds_are_offered_and_other_tasks_in_a_second_group(browser, settings):
    from celery import shared_task

    @shared_task(name="tests.foreign_task")
    def foreign_task(first, a=0):
        """Somebody else's."""

    page = browser.get(ADD).text
    assert 'href="?kind=add"' in page and "<option>tests.foreign_task</option>" in page
    page = browser.get(f"{ADD}?kind=add").text
    kinds, others = re.findall(r"<optgroup.*?</optgroup>", page, re.S)
    assert 'label="Kinds of job"' in kinds and 'value="email"' in kinds
    assert 'label="Other Celery tasks"' in others and "tests.foreign_task" in others

    answer = browser.post(f"{ADD}?task=tests.foreign_task", {**WHEN, "first": "1", "a": "2"})
    assert answer.url == LIST
    task = PeriodicTask.objects.get()
    assert task.task == "tests.foreign_task"
    assert (json.loads(task.args), json.loads(task.kwargs)) == ([], {"first": 1, "a": 2})
    answer = browser.post(f"{ADD}?task=tests.foreign_task", {**WHEN, "schedule-name": "b", "first": ""})
    assert set(answer.context["form"].errors) == {"first"}


def test_the_kinds_own_fields_are_shown_typed(browser):
    page = browser.get(f"{ADD}?kind=test-every").text
    for expected in ('type="number" name="width"', 'type="date"', 'name="files"', 'type="password" name="password"'):
        assert expected in page, expected
    assert 'name="kwargs"' not in page


def test_parameters_are_validated_by_the_kinds_form_at_their_fields(browser):
    answer = browser.post(
        f"{ADD}?kind=test-every", {**WHEN, "text": "h", "width": "99999999", "mode": "no", "angle": "0"}
    )
    assert answer.status_code == 422
    assert set(answer.context["form"].errors) == {"text", "width", "mode"}
    row = re.search(r'<div class="form-row errors field-width">.*?</ul>', answer.text, re.S)
    assert row and "16384" in row[0]
    assert not PeriodicTask.objects.exists()


def test_kwargs_are_the_cleaned_data_with_secrets_encrypted_and_files_stored(browser, boss):
    sent = {
        **WHEN, "text": "hello", "width": "7", "mode": "fill", "angle": "90", "colours": ["r"], "day": "2030-02-03",
        "price": "9.50", "password": "hunter2", "files": SimpleUploadedFile("a.txt", b"abc"), "data": '{"a": [1]}',
    }  # fmt: skip
    assert browser.post(f"{ADD}?kind=test-every", sent).url == LIST
    task = PeriodicTask.objects.get()
    kwargs = json.loads(task.kwargs)
    assert task.task == "jobs.test-every" and "hunter2" not in task.kwargs
    assert decrypt(kwargs.pop("password")) == "hunter2"
    (reference,) = kwargs.pop("files")
    artifact = Artifact.objects.get(id=reference["artifact"])
    assert (artifact.owner, artifact.job, artifact.size) == (boss, None, 3)
    assert kwargs == {
        "text": "hello", "note": "", "width": 7, "ratio": None, "price": "9.50", "fast": False, "mode": "fill",
        "angle": 90, "colours": ["r"], "day": "2030-02-03", "at": None, "mail": "", "data": {"a": [1]},
    }  # fmt: skip
    assert Schedule.objects.get().owner == boss


@pytest.mark.parametrize(
    ("cron", "text"),
    [("0 0 30 2 *", "Day 30 of month 2 never comes"), ("61 * * * *", "cannot be read"), ("nightly", "five")],
)
def test_a_rule_that_cannot_be_is_refused_at_its_field(browser, cron, text):
    answer = browser.post(f"{ADD}?kind=add", {**WHEN, "x": "1", "y": "2", "schedule-cron": cron})
    row = re.search(r'<div class="form-row errors field-cron">.*?</ul>', answer.text, re.S)
    assert answer.status_code == 422 and row and text in row[0]


def test_check_shows_words_and_five_runs_and_saves_nothing(browser):
    answer = browser.post(f"{ADD}?kind=add", {**WHEN, "x": "1", "y": "2", "_check": "1"})
    assert answer.status_code == 200 and not PeriodicTask.objects.exists()
    assert "Daily at 04:30, Europe/Berlin" in answer.text
    assert len(re.findall(r", 04:30 CES?T<br>", answer.text)) == 5


def test_the_stored_form_shows_its_rule_runs_and_jobs(browser, boss):
    schedule = make_schedule(boss)
    job = Job.objects.create(kind="add", title="Nightly", queue="io", state="SUCCESS", schedule=schedule)
    page = browser.get(change(schedule)).text
    assert "Daily at 04:30, Europe/Berlin" in page and len(re.findall(r", 04:30 CES?T<br>", page)) == 5
    assert f'href="{job.get_absolute_url()}"' in page and f'href="{schedule.get_absolute_url()}"' in page
    assert " style=" not in page and "<script>" not in page
    back = browser.get(schedule.get_absolute_url()).text
    assert f'href="{change(schedule)}"' in back
    assert schedule.get_absolute_url() in browser.get(job.get_absolute_url()).text


def test_the_list_tells_words_next_and_last(browser, boss):
    schedule = make_schedule(boss)
    job = Job.objects.create(kind="add", title="Nightly", queue="io", state="FAILURE", schedule=schedule)
    page = browser.get(LIST).text
    assert "Daily at 04:30, Europe/Berlin" in page and re.search(r"\d 04:30:00 CES?T", page)
    assert job.get_absolute_url() in page and "failed" in page and schedule.get_absolute_url() in page


def test_run_now_pause_and_resume_by_button(browser, boss):
    schedule = make_schedule(boss)
    page = browser.post(change(schedule), {"_run": "1"}, follow=True).text
    job = Job.objects.get()
    assert "Started: Nightly" in page and job.get_absolute_url() in page and job.schedule == schedule
    browser.post(change(schedule), {"_pause": "1"})
    assert not PeriodicTask.objects.get().enabled and Schedule.objects.get().next_run_at is None
    assert 'name="_resume"' in browser.get(change(schedule)).text
    browser.post(change(schedule), {"_resume": "1"})
    assert Schedule.objects.get().next_run_at > timezone.now()


def test_skip_next_by_button_and_of_many(browser, boss):
    schedule = make_schedule(boss)
    slot = schedule.next_run_at
    page = browser.post(change(schedule), {"_skip": "1"}, follow=True).text
    assert "skips the run of" in page and 'name="_unskip"' in page
    assert Schedule.objects.get().skipped == slot < Schedule.objects.get().next_run_at
    assert 'name="_skip"' in browser.post(change(schedule), {"_unskip": "1"}, follow=True).text
    browser.post(LIST, {"action": "skip", "_selected_action": [schedule.task_id]})
    assert Schedule.objects.get().skipped == slot
    assert AuditEntry.objects.filter(action="skip next run", user=boss).count() == 2


def test_the_policies_are_asked_for_and_stored(browser):
    terms = {"overlap": "skip", "misfire": "all", "misfire_limit": "3", "jitter": "60"}
    sent = {**WHEN, **{f"schedule-{name}": value for name, value in terms.items()}, "x": "1", "y": "2"}
    assert browser.post(f"{ADD}?kind=add", sent).url == LIST
    found = Schedule.objects.get()
    assert (found.overlap, found.misfire, found.misfire_limit, found.jitter) == ("skip", "all", 3, 60)
    answer = browser.post(change(found), {**sent, "schedule-jitter": "-1"})
    assert answer.status_code == 422 and re.search(r'form-row errors field-jitter">', answer.text)


def test_run_now_pause_and_resume_of_many(browser, boss):
    schedules = [make_schedule(boss, name) for name in ("One", "Two")]
    PeriodicTask.objects.filter(name="Two").update(kwargs='{"x": "seven"}')
    ids = [schedule.task_id for schedule in schedules]
    page = browser.post(LIST, {"action": "run", "_selected_action": ids}, follow=True).text
    assert Job.objects.count() == 1 and "Two could not start: x: Enter a number." in page
    browser.post(LIST, {"action": "pause", "_selected_action": ids})
    assert PeriodicTask.objects.filter(enabled=True).count() == 0
    browser.post(LIST, {"action": "resume", "_selected_action": ids})
    assert Schedule.objects.filter(next_run_at=None).count() == 0


def test_changing_and_deleting_are_told_to_the_audit(browser, boss):
    schedule = make_schedule(boss)
    answer = browser.post(change(schedule), {**WHEN, "x": "8", "y": "2", "_continue": "1"})
    assert answer.url == change(schedule)
    assert json.loads(PeriodicTask.objects.get().kwargs)["x"] == 8.0
    browser.post(f"{LIST}{schedule.task_id}/delete/", {"post": "yes"})
    assert not PeriodicTask.objects.exists()
    assert [entry.action for entry in AuditEntry.objects.order_by("pk")] == [
        "create schedule", "change schedule", "delete schedule",
    ]  # fmt: skip


def test_the_kind_of_a_schedule_can_be_changed(browser, boss):
    schedule = make_schedule(boss)
    assert 'name="seconds"' in browser.get(f"{change(schedule)}?kind=sleep").text
    assert browser.post(f"{change(schedule)}?kind=sleep", {**WHEN, "seconds": "3"}).url == LIST
    task = PeriodicTask.objects.get()
    assert (task.task, json.loads(task.kwargs)) == ("jobs.sleep", {"seconds": 3.0})


def test_a_task_stored_by_other_code_is_shown_and_kept(browser, monkeypatch):
    from django_celery_beat.models import SolarSchedule

    monkeypatch.setitem(sys.modules, "ephem", None)  # as on a machine without it
    solar = SolarSchedule.objects.create(event="sunset", latitude=52, longitude=13)
    task = PeriodicTask.objects.create(name="dusk", task="jobs.add", kwargs='{"x": 1, "y": 2}', solar=solar)
    page = browser.get(f"{LIST}{task.pk}/change/").text
    assert 'value="keep"' in page and "Cannot be used: You need to install the ephem library" in page
    sent = {**WHEN, "schedule-rule": "keep", "schedule-name": "dusk", "x": "5", "y": "2"}
    assert browser.post(f"{LIST}{task.pk}/change/", sent).url == LIST
    task.refresh_from_db()
    assert task.solar == solar and json.loads(task.kwargs)["x"] == 5.0


@pytest.fixture
def once_by_cron(boss):
    schedule = make_schedule(boss)
    PeriodicTask.objects.update(one_off=True)
    return schedule


def is_one_off(schedule):
    task = PeriodicTask.objects.get()
    assert task.crontab_id == schedule.task.crontab_id
    return task.one_off


def test_a_cron_rule_that_runs_once_stays_so_when_something_else_is_changed(browser, once_by_cron):
    for address in (change(once_by_cron), f"{once_by_cron.get_absolute_url()}/edit"):
        page = browser.get(address)
        sent = {f"schedule-{name}": value for name, value in page.context["when"].initial.items() if value is not None}
        answer = browser.post(address, {**sent, "schedule-description": address, "x": "1", "y": "2"})
        assert answer.status_code == 302, answer.context["when"].errors
        assert PeriodicTask.objects.get().description == address and is_one_off(once_by_cron)
    seen = browser.post(change(once_by_cron), {**sent, "_check": "1", "x": "1", "y": "2"})
    assert "Daily at 04:30" in seen.text


def test_programs_change_a_cron_rule_that_runs_once(boss, once_by_cron):
    def patch(changes):
        return Program(boss).request("PATCH", f"schedules/{once_by_cron.pk}", json.dumps(changes))

    answer = patch({"description": "x"})
    assert answer.status_code == 200 and is_one_off(once_by_cron)
    assert answer.json()["cron"] == "30 4 * * *" and len(answer.json()["next_runs"]) == 1
    refused = patch({"timezone": "UTC"})
    assert refused.status_code == 422 and "Europe/Berlin" in refused.json()["errors"]["timezone"][0]
    changed = patch({"cron": "0 6 * * *", "timezone": "UTC"}).json()  # a new rule: it repeats, as any that is given
    assert (changed["cron"], changed["timezone"], len(changed["next_runs"])) == ("0 6 * * *", "UTC", 5)


def test_staff_without_the_permission_may_not(client, boss):
    schedule = make_schedule(boss)
    client.force_login(make_user("olga", is_staff=True))
    assert client.get(change(schedule)).status_code == 403
    assert client.post(change(schedule), {"_run": "1"}).status_code == 403
    assert client.post(f"{ADD}?kind=add", {**WHEN, "x": "1", "y": "2"}).status_code == 403
    assert not Job.objects.exists() and PeriodicTask.objects.count() == 1


# --- the raw admins


@pytest.fixture
def stored(boss):
    job = Job.objects.create(kind="add", title="Sum", queue="io", params={"password": "hunter2"}, owner=boss)
    Attempt.objects.create(job=job, number=1, state="SUCCESS")
    Artifact.objects.create(job=job, name="a.txt", size=3, path="x/a.txt")
    TaskResult.objects.create(task_id=job.id, status="SUCCESS", result="3")
    AuditEntry.record(boss, "submit", job=job)
    ApiToken.make(boss, "nightly")
    return job


RAW = ["jobs/job", "jobs/attempt", "jobs/artifact", "jobs/apitoken", "jobs/auditentry",
       "django_celery_results/taskresult"]  # fmt: skip


@pytest.mark.parametrize("model", RAW)
def test_raw_admins_show_and_change_nothing(browser, stored, model):
    page = browser.get(f"/admin/{model}/")
    assert page.status_code == 200 and f"/admin/{model}/add/" not in page.text
    address = re.search(rf'/admin/{model}/[^"/?]+/change/', page.text)[0]
    one = browser.get(address)
    assert one.status_code == 200 and 'name="_save"' not in one.text
    assert browser.post(address, {"name": "other"}).status_code == 403
    assert browser.get(f"/admin/{model}/add/").status_code == 403
    assert browser.get(address.replace("change", "delete")).status_code == 403
    assert "hunter2" not in one.text and ApiToken.objects.get().hash not in page.text + one.text


@pytest.mark.parametrize("model", RAW)
def test_raw_lists_count_and_sort_no_whole_table(browser, stored, model):
    with CaptureQueriesContext(connection) as seen:
        browser.get(f"/admin/{model}/")
    counts = [query["sql"] for query in seen if "COUNT(" in query["sql"]]
    assert counts and all("LIMIT" in sql for sql in counts), counts
    assert not any("DISTINCT" in query["sql"] or "django_datetime_trunc" in query["sql"] for query in seen)


def test_raw_rows_link_to_jobsite(browser, stored):
    for model in ("jobs/job", "django_celery_results/taskresult"):
        assert f'href="{stored.get_absolute_url()}"' in browser.get(f"/admin/{model}/").text
    assert 'href="/tokens"' in browser.get(f"/admin/jobs/apitoken/{ApiToken.objects.get().pk}/change/").text


def test_the_admin_obeys_the_strict_policy(browser, stored):
    for address in ("/admin/", LIST, ADD, f"{ADD}?kind=email", "/admin/jobs/job/"):
        page = browser.get(address)
        assert "script-src 'self'" in page.headers["Content-Security-Policy"]
        assert not re.search(r"<script>|\son\w+=\"|\sstyle=", page.text), address
