"""Schedules over REST: the same checks as the form, problem+json, who may do what."""

import json
from datetime import datetime, timedelta

import pytest
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from jobs.core.redaction import MASK, decrypt
from jobs.models import Artifact, AuditEntry, Job, Schedule
from jobs.web.api.openapi import document
from jobs.web.api.schedule_body import NEW
from tests.unit.api_client import Program, make_user
from tests.unit.api_kinds import VALID, EveryField
from tests.unit.foreign_tasks import NAME
from tests.unit.schedule_making import make_schedule
from tests.unit.test_api_fuzz import QUICK, VALUES

pytestmark = pytest.mark.django_db(transaction=True)
NIGHTLY = {
    "name": "Nightly",
    "kind": "add",
    "params": {"x": 1, "y": 2},
    "cron": "30 4 * * *",
    "timezone": "Europe/Berlin",
}


@pytest.fixture
def program():
    return Program(make_user("olga", is_staff=True))


def patch(program, pk, data):
    return program.request("PATCH", f"schedules/{pk}", json.dumps(data))


def made(program, **fields):
    answer = program.post("schedules", {**NIGHTLY, **fields})
    assert answer.status_code == 201, answer.json()
    return answer.json()


def test_make_show_list_change_run_delete(program):
    answer = program.post("schedules", NIGHTLY)
    assert answer.status_code == 201
    shown = answer.json()
    assert answer.headers["Location"] == f"/api/v1/schedules/{shown['id']}"
    assert shown["words"] == "Daily at 04:30" and shown["cron"] == "30 4 * * *" and shown["timezone"] == "Europe/Berlin"
    runs = [datetime.fromisoformat(run) for run in shown["next_runs"]]
    assert len(runs) == 5 and runs[0] > timezone.now() and {f"{run:%H:%M}" for run in runs} == {"04:30"}
    assert program.get(f"schedules/{shown['id']}").json() == shown
    assert program.get("schedules").json() == {"items": [shown], "next": None}

    changed = patch(program, shown["id"], {"cron": "0 6 * * 1", "params": {"x": 7}, "enabled": False}).json()
    assert (changed["cron"], changed["params"], changed["enabled"]) == ("0 6 * * 1", {"x": 7.0, "y": 2.0}, False)
    assert changed["next_runs"] == [] and changed["name"] == "Nightly" and changed["timezone"] == "Europe/Berlin"

    run = program.post(f"schedules/{shown['id']}/run")
    assert run.status_code == 202 and run.headers["Location"].endswith(run.json()["id"])
    assert Job.objects.get().schedule_id == shown["id"]
    assert program.get(f"schedules/{shown['id']}").json()["last_job"]["id"] == run.json()["id"]

    assert program.request("DELETE", f"schedules/{shown['id']}", content_type="").status_code == 204
    assert program.get(f"schedules/{shown['id']}").status_code == 404
    assert not PeriodicTask.objects.exists() and Job.objects.get().schedule is None
    assert list(AuditEntry.objects.order_by("pk").values_list("action", "via")) == [
        ("create schedule", "api"), ("change schedule", "api"), ("run now", "api"), ("delete schedule", "api"),
    ]  # fmt: skip


def test_answers_are_as_described(program):
    answers = {"post": program.post("schedules", NIGHTLY), "get": program.get("schedules")}
    for method, response in answers.items():
        described = document()["paths"]["/api/v1/schedules"][method]["responses"][str(response.status_code)]
        schema = {**described["content"]["application/json"]["schema"], "components": document()["components"]}
        assert not list(Draft202012Validator(schema).iter_errors(response.json()))


def test_intervals_and_single_runs(program):
    every = made(program, name="often", cron=None, every=90, period="seconds")
    assert (every["words"], every["every"], every["period"], every["cron"]) == ("Every 90 seconds", 90, "seconds", None)
    at = (timezone.now() + timedelta(days=3)).replace(microsecond=0)
    once = made(program, name="single", cron=None, at=at.isoformat())
    assert [datetime.fromisoformat(run) for run in once["next_runs"]] == [at]
    assert PeriodicTask.objects.get(name="single").one_off
    # From one rule to another: the old one goes.
    again = patch(program, once["id"], {"every": 2, "period": "hours"}).json()
    assert (again["every"], again["at"]) == (2, None) and not PeriodicTask.objects.get(name="single").one_off


def test_other_tasks_by_name(program):
    from celery import shared_task

    @shared_task(name="tests.api_foreign")
    def api_foreign(first=0, a=0):
        """Somebody else's."""

    body = {"name": "f", "task": "tests.api_foreign", "params": {"args": [1], "kwargs": {"a": 2}}, "cron": "* * * * *"}
    shown = program.post("schedules", body).json()
    assert (shown["kind"], shown["task"]) == (None, "tests.api_foreign")
    assert shown["params"] == {"args": [], "kwargs": {"first": 1, "a": 2}}
    assert set(program.post("schedules", {**body, "name": "g", "params": {"x": 1}}).json()["errors"]) == {"params.x"}
    assert set(program.post("schedules", {**body, "task": "nobody.knows"}).json()["errors"]) == {"task"}


@pytest.mark.parametrize(
    ("fields", "errors"),
    [
        ({"cron": "0 0 30 2 *"}, {"cron"}),
        ({"cron": "x y"}, {"cron"}),
        ({"cron": None}, {"cron"}),
        ({"every": 5}, {"cron", "every"}),
        ({"cron": None, "every": 0}, {"every"}),
        ({"cron": None, "every": 5, "period": "weeks"}, {"period"}),
        ({"cron": None, "at": "2020-01-01T00:00:00Z"}, {"at"}),
        ({"timezone": "Mars/Base"}, {"timezone"}),
        ({"end": "2020-01-01T00:00:00Z"}, {"end"}),
        ({"start": "0001-01-01T00:00:00Z"}, {"start"}),
        ({"start": "2030-01-01T00:00:00"}, {"start"}),
        ({"misfire": "never"}, {"misfire"}),
        ({"misfire_limit": 0}, {"misfire_limit"}),
        ({"overlap": "maybe"}, {"overlap"}),
        ({"jitter": -1}, {"jitter"}),
        ({"jitter": 1.5}, {"jitter"}),
        ({"paused_until": "2020-01-01T00:00:00Z"}, {"paused_until"}),
        ({"paused_until": "2100-01-01T00:00:00Z", "end": "2090-01-01T00:00:00Z"}, {"paused_until"}),
        ({"priority": "top"}, {"priority"}),
        ({"kind": "nosuch"}, {"kind"}),
        ({"kind": None}, {"kind"}),
        ({"task": "a.b"}, {"kind"}),
        ({"params": {"x": "seven", "y": 2}}, {"params.x"}),
        ({"params": {"z": 1}}, {"params.z"}),
        ({"params": {"x": "seven"}, "cron": "99 * * * *", "name": ""}, {"name"}),
        ({"params": {"x": "seven"}, "cron": "99 * * * *"}, {"params.x", "cron"}),
        ({"colour": "red"}, {"colour"}),
    ],
)
def test_every_bad_field_is_named(program, fields, errors):
    answer = program.post("schedules", {**NIGHTLY, **fields})
    assert answer.status_code == 422 and set(answer.json()["errors"]) == errors, answer.json()
    assert not PeriodicTask.objects.exists()


def test_a_name_is_taken_once(program):
    made(program)
    assert set(program.post("schedules", NIGHTLY).json()["errors"]) == {"name"}


def test_what_is_not_sent_stays(program):
    first = made(program, start="2030-01-01T08:00:00+01:00", misfire="skip", priority="high", description="why")
    assert first["start"].startswith("2030-01-01T07:00:00")
    same = patch(program, first["id"], {}).json()
    assert same == first
    moved = patch(program, first["id"], {"timezone": "Asia/Tokyo"}).json()
    assert moved["start"] == first["start"] and moved["timezone"] == "Asia/Tokyo"
    assert patch(program, first["id"], {"start": None}).json()["start"] is None
    assert set(patch(program, first["id"], {"name": "x", "kind": "sleep"}).json()["errors"]) == {"kind"}


def test_the_policies_are_kept_and_each_changed_for_itself(program):
    terms = {"overlap": "skip", "misfire": "all", "misfire_limit": 5, "jitter": 300}
    shown = made(program, **terms)
    assert {name: shown[name] for name in terms} == terms
    assert (shown["paused_until"], shown["skipped"], shown["held"], shown["left_out"]) == (None, None, None, 0)
    changed = patch(program, shown["id"], {"overlap": "queue", "jitter": None}).json()
    assert (changed["overlap"], changed["jitter"], changed["misfire_limit"]) == ("queue", 0, 5)
    assert {run[11:16] for run in changed["next_runs"]} == {"04:30"}
    runs = patch(program, shown["id"], {"jitter": 300}).json()["next_runs"]
    assert runs == shown["next_runs"]  # the same share of the same slots
    assert all(run[11:] > "04:30" for run in runs) and len({run[11:19] for run in runs}) > 1


def test_skipping_is_seen_in_the_next_runs_and_can_be_taken_back(program):
    shown = made(program)
    path = f"schedules/{shown['id']}/skip"
    skipped = program.post(path).json()
    assert skipped["next_runs"][:4] == shown["next_runs"][1:]
    assert datetime.fromisoformat(skipped["skipped"]) == datetime.fromisoformat(shown["next_runs"][0])
    assert program.post(path).json() == skipped
    assert program.request("DELETE", path, content_type="").json() == shown
    patch(program, shown["id"], {"enabled": False})
    assert program.post(path).status_code == 409
    assert list(AuditEntry.objects.filter(action__contains="skip").values_list("action", "via")) == [
        ("skip next run", "api"), ("do not skip", "api"),
    ]  # fmt: skip


def test_a_pause_is_seen_in_the_next_runs_and_ends_by_null(program):
    shown = made(program)
    until = (timezone.now() + timedelta(days=30)).replace(microsecond=0)
    paused = patch(program, shown["id"], {"paused_until": until.isoformat()}).json()
    assert datetime.fromisoformat(paused["paused_until"]) == until and paused["enabled"]
    assert until <= datetime.fromisoformat(paused["next_runs"][0]) < until + timedelta(hours=25)
    assert patch(program, shown["id"], {"description": "x"}).json()["paused_until"] == paused["paused_until"]
    assert patch(program, shown["id"], {"paused_until": None}).json()["next_runs"] == shown["next_runs"]
    made(program, name="other", paused_until=until.isoformat())


def test_secrets_and_files(program):
    job = Job.objects.create(kind="test-every", title="old", queue="cpu", owner=program.user)
    artifact = Artifact.objects.create(job=job, owner=program.user, name="a.txt", size=3, path="x/a.txt")
    params = {**VALID, "password": "hunter2", "files": [artifact.id]}
    shown = made(program, kind="test-every", params=params)
    assert shown["params"]["password"] == MASK and shown["params"]["files"][0]["name"] == "a.txt"
    task = PeriodicTask.objects.get()
    assert "hunter2" not in task.kwargs
    assert patch(program, shown["id"], {"params": {"text": "other"}}).status_code == 200
    run = program.post(f"schedules/{shown['id']}/run").json()
    stored = Job.objects.get(id=run["id"]).params
    assert stored["text"] == "other" and decrypt(stored["password"]) == "hunter2"
    assert set(patch(program, shown["id"], {"params": {"password": MASK}}).json()["errors"]) == {"params.password"}
    assert set(patch(program, shown["id"], {"params": {"files": ["nosuch"]}}).json()["errors"]) == {"params.files"}


def test_a_changed_secret_key_asks_for_the_secret_again(program, settings):
    shown = made(program, kind="test-every", params={**VALID, "password": "hunter2"})
    settings.SECRET_KEY = "another key"
    refused = patch(program, shown["id"], {"params": {"text": "other"}})
    assert refused.status_code == 422 and set(refused.json()["errors"]) == {"params.password"}
    assert patch(program, shown["id"], {"params": {"password": "hunter3"}}).status_code == 200
    assert program.post(f"schedules/{shown['id']}/run").status_code == 202


def test_running_what_is_no_longer_valid_is_refused(program):
    shown = made(program)
    PeriodicTask.objects.update(kwargs='{"x": "seven"}')
    answer = program.post(f"schedules/{shown['id']}/run")
    assert answer.status_code == 422 and "x" in answer.json()["errors"]


def test_the_list_is_paged(program):
    for number in range(3):
        make_schedule(program.user, f"S{number}")
    first = program.get("schedules?limit=2").json()
    assert [item["name"] for item in first["items"]] == ["S0", "S1"]
    rest = program.get(f"schedules?limit=2&cursor={first['next']}").json()
    assert [item["name"] for item in rest["items"]] == ["S2"] and rest["next"] is None
    assert program.get("schedules?limit=0").status_code == 422
    assert program.get("schedules?cursor=x").status_code == 422


def test_submitters_see_and_run_their_own_and_change_none(program):
    lena = Program(make_user("lena"))
    theirs, mine = make_schedule(program.user, "Olga's"), make_schedule(program.user, "Lena's")
    Schedule.objects.filter(pk=mine.pk).update(owner=lena.user)
    assert [item["name"] for item in lena.get("schedules").json()["items"]] == ["Lena's"]
    assert lena.get(f"schedules/{theirs.pk}").status_code == 404
    assert lena.post(f"schedules/{theirs.pk}/run").status_code == 404
    assert lena.post(f"schedules/{mine.pk}/run").status_code == 202
    assert lena.post(f"schedules/{mine.pk}/skip").status_code == 200
    assert lena.post(f"schedules/{theirs.pk}/skip").status_code == 404
    assert lena.post("schedules", NIGHTLY).status_code == 403
    assert patch(lena, mine.pk, {"enabled": False}).status_code == 403
    assert lena.request("DELETE", f"schedules/{mine.pk}", content_type="").status_code == 403
    reader = Program(program.user, "read")
    assert reader.get("schedules").status_code == 200 and reader.post("schedules", NIGHTLY).status_code == 403


@pytest.mark.parametrize("path", ["schedules/99", "schedules/99999999999999999999999", "schedules/x"])
def test_what_is_not_there_is_404(program, path):
    assert program.get(path).status_code == 404


JUNK = st.dictionaries(st.sampled_from([*NEW["properties"], "colour"]), VALUES, max_size=5)


@hypothesis_settings(QUICK, max_examples=25)
@given(junk=JUNK, params=st.dictionaries(st.sampled_from(list(EveryField.Form.base_fields)), VALUES, max_size=3))
def test_junk_is_refused_and_never_a_fault(program, junk, params):
    program.client.raise_request_exception = False
    whole = {**VALID, "width": 5, "mode": "fit", "angle": 0}
    schedule = Schedule.objects.first() or make_schedule(program.user, "known", "test-every", whole)
    for body in (junk, {**NIGHTLY, **junk}, {**NIGHTLY, "kind": "test-every", "params": {**VALID, **params}}):
        raw = json.dumps(body).encode("utf-8", "surrogatepass")
        assert program.request("POST", "schedules", raw).status_code < 500
        changes = {name: value for name, value in body.items() if name not in ("kind", "task")}
        raw = json.dumps(changes).encode("utf-8", "surrogatepass")
        assert program.request("PATCH", f"schedules/{schedule.pk}", raw).status_code < 500
    for pk in PeriodicTask.objects.values_list("jobsite__pk", flat=True):
        assert program.get(f"schedules/{pk}").status_code == 200
    PeriodicTask.objects.exclude(pk=schedule.task_id).delete()


def test_a_change_leaves_parameters_alone_that_are_not_sent_whatever_they_are(program):
    rule = IntervalSchedule.objects.get_or_create(every=1, period="hours")[0]
    for name, task, args, kwargs in (
        ("no JSON", f"{NAME}add", "[1,", "{}"), ("hints", f"{NAME}typed", '["seven", 8]', "{}"),
        ("unknown", "warehouse.count", '["bolts"]', "{}"), ("kind", "jobs.add", "[]", '{"x": "seven"}'),
    ):  # fmt: skip
        stored = PeriodicTask.objects.create(name=name, task=task, args=args, kwargs=kwargs, interval=rule, priority=5)
        pk = Schedule.objects.get(task=stored).pk
        answer = patch(program, pk, {"enabled": False})
        assert answer.status_code == 200, answer.content
        stored.refresh_from_db()
        assert (stored.enabled, stored.args, stored.kwargs, stored.priority) == (False, args, kwargs, 5)
        assert answer.json()["priority"] == "5" and answer.json()["trouble"] is None
        told = patch(program, pk, {"enabled": True}).json()
        assert bool(told["trouble"]) == (name in ("no JSON", "kind"))
