"""Submitting, following and steering jobs over REST."""

import json
import time

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict

from jobs import submit as door
from jobs.browse.detail import audit_of
from jobs.core.redaction import decrypt
from jobs.core.states import State
from jobs.models import Artifact, Attempt, Job, LogLine
from jobs.web.pages.bulk import carry_out
from tests.unit.api_client import Program, check_problem, make_user
from tests.unit.api_kinds import VALID, EveryField
from tests.unit.job_rows import make_job, run_hash

pytestmark = pytest.mark.django_db(transaction=True)
KIND = "test-every"


@pytest.fixture
def program():
    return Program(make_user("lena"))


def submit(program, **params):
    response = program.post("jobs", {"kind": KIND, "params": {**VALID, **params}})
    assert response.status_code == 202, response.content
    return response


def errors_of(response, status=422):
    assert response.status_code == status, response.content
    return check_problem(response)["errors"]


def test_submit(program):
    response = program.post(
        "jobs", {"kind": KIND, "params": {**VALID, "colours": ["r"]}, "priority": "high", "label": "Mine"}
    )
    assert response.status_code == 202
    body = response.json()
    assert response.headers["Location"] == f"/api/v1/jobs/{body['id']}"
    assert response.headers["Retry-After"] == "1"
    assert (body["state"], body["title"], body["priority"], body["owner"]) == ("PENDING", "Mine", "high", "lena")
    job = Job.objects.get(id=body["id"])
    assert (job.via, job.owner) == ("api", program.user)
    assert job.params["colours"] == ["r"]
    assert (job.params["width"], job.params["fast"]) == (1024, True)  # the defaults
    assert program.get(f"jobs/{job.id}").json()["id"] == job.id


def test_due_later(program):
    body = program.post("jobs", {"kind": KIND, "params": VALID, "due_at": "2130-01-31T07:00:00+01:00"}).json()
    assert body["shown"] == "scheduled"
    assert body["times"]["due"] == "2130-01-31T06:00:00.000Z"


def test_every_bad_parameter_is_named(program):
    response = program.post("jobs", {"kind": KIND, "params": {"text": "x", "width": 0, "mode": "stretch"}})
    assert set(errors_of(response)) == {"params.text", "params.width", "params.mode"}
    assert "params.colour" in errors_of(program.post("jobs", {"kind": KIND, "params": {**VALID, "colour": 1}}))
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "kind"),
        ({"kind": "nosuch"}, "kind"),
        ({"kind": 7}, "kind"),
        ({"kind": KIND, "params": []}, "params"),
        ({"kind": KIND, "params": VALID, "width": 3}, "width"),
        ({"kind": KIND, "params": VALID, "priority": "soon"}, "priority"),
        ({"kind": KIND, "params": VALID, "priority": True}, "priority"),
        ({"kind": KIND, "params": VALID, "due_at": "tomorrow"}, "due_at"),
        ({"kind": KIND, "params": VALID, "due_at": "2030-01-31T07:00:00"}, "due_at"),
        ({"kind": KIND, "params": VALID, "due_at": "0001-01-01T00:00:00+14:00"}, "due_at"),
        ({"kind": KIND, "params": VALID, "label": "x" * 201}, "label"),
        ({"kind": KIND, "params": VALID, "queue": "io"}, "queue"),
    ],
)
def test_bad_fields_beside_the_parameters(program, body, field):
    assert field in errors_of(program.post("jobs", body))
    assert not Job.objects.exists()


@pytest.mark.parametrize(
    ("raw", "status", "says"),
    [
        (b'{"kind":\n "x",}', 400, "line 2, column 6"),
        (b"\xff\xfe", 400, "UTF-8"),
        (b"[1]", 400, "a list"),
        (b'{"kind": NaN}', 400, "NaN"),
        (b'{"kind": 1e999}', 400, "too large"),
        (b'{"kind": ' + b"9" * 5000 + b"}", 400, "too long"),
        (b'{"kind": "a", "kind": "b"}', 400, "twice"),
        (b'{"kind": "a\\u0000b"}', 400, "NUL"),
        (b'{"kind": "\\ud800"}', 400, "surrogate"),
        (b'{"params": ' + b"[" * 100 + b"]" * 100 + b"}", 400, "64 levels"),
        (b"[" * 100_000, 400, "64 levels"),
    ],
)
def test_malformed_json(program, raw, status, says):
    response = program.request("POST", "jobs", raw)
    assert response.status_code == status
    assert says in response.json()["detail"]


def test_a_key_that_comes_twice_is_found_as_fast_among_many(program):
    keys = b", ".join(b'"%d": 0' % number for number in range(100_000))
    started = time.monotonic()
    response = program.request("POST", "jobs", b"{%s, %s}" % (keys, b'"99999": 0'))
    assert "'99999' comes twice" in response.json()["detail"]
    assert time.monotonic() - started < 10


def test_of_many_unknown_names_some_are_told_and_how_many_more(program):
    many = {f"x{number}": 0 for number in range(1_000)}
    for body, name in ((many, "x%d"), ({"kind": KIND, "params": {**VALID, **many}}, "params.x%d")):
        errors = {field: texts for field, texts in errors_of(program.post("jobs", body)).items() if "x" in field}
        assert list(errors) == [name % number for number in range(50)]
        assert errors[name % 48][0].startswith("Unknown") and len(errors[name % 48]) == 1
        assert errors[name % 49][1:] == ["Further unknown names: 950."]
    long = errors_of(program.post("jobs", {"kind": KIND, "params": {**VALID, "y" * 10_000: 0}}))
    assert list(long) == ["params." + "y" * 100]


def test_a_bulk_submission_is_looked_through_until_enough_is_wrong(program, monkeypatch):
    looked = []
    monkeypatch.setattr(EveryField.Form, "clean", lambda form: looked.append(form))
    items = [{"text": "hello", "width": 0, "mode": "stretch"}] * 1_000
    errors = errors_of(program.post("jobs/bulk", {"kind": KIND, "items": items}))
    assert len(errors) == 200 and "items[99].mode" in errors
    assert len(looked) == 100


def test_a_secret_that_looks_stored_is_a_secret_like_any_other(program):
    secret = {**VALID, "password": "encrypted:x"}
    for path, body in (("jobs", {"params": secret}), ("jobs/bulk", {"items": [secret]})):
        assert program.post(path, {"kind": KIND, **body}).status_code == 202
        assert decrypt(Job.objects.latest("seq").params["password"]) == "encrypted:x"


def test_a_rerun_asks_for_the_secret_again_once_secret_key_has_changed(program, settings):
    job = Job.objects.get(id=submit(program, password="hunter2").json()["id"])
    settings.SECRET_KEY = "another key"
    assert set(errors_of(program.post(f"jobs/{job.id}/rerun"))) == {"params.password"}
    assert program.post(f"jobs/{job.id}/rerun", {"params": {"password": "hunter3"}}).status_code == 202
    job.state = State.FAILURE
    assert "give it again" in carry_out("rerun", job, program.user)[1]


def test_a_secret_typed_into_a_page_may_look_like_a_stored_one(program):
    job = door.submit(KIND, QueryDict("text=hello&width=1&mode=fit&angle=0&password=encrypted:x"), user=program.user)
    again = door.rerun(job, program.user)
    assert decrypt(job.params["password"]) == decrypt(again.params["password"]) == "encrypted:x"


def test_wrong_type_and_size(program):
    assert program.request("POST", "jobs", "kind=x", "text/plain").status_code == 415
    assert program.request("POST", "jobs/bulk", "--x--", "multipart/form-data; boundary=x").status_code == 415
    assert program.request("POST", "jobs", b" " * (20 * 1024**2 + 1)).status_code == 413


def test_wrong_method_and_address(program):
    response = program.request("PUT", "jobs", "{}")
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert program.get("nosuch").status_code == 404
    assert program.get("jobs/" + "x" * 300).status_code == 404
    assert program.get("kinds/nosuch").status_code == 404
    assert "nosuch" in errors_of(program.get("jobs?nosuch=1"))


def test_multipart_with_files(program):
    fields = {
        "kind": KIND,
        "params": json.dumps({"text": "hello", "colours": ["r", "g"]}),
        "files": [SimpleUploadedFile("a.txt", b"one"), SimpleUploadedFile("b.txt", b"two")],
    }
    response = program.form("jobs", fields)
    assert response.status_code == 202, response.content
    files = program.get(f"jobs/{response.json()['id']}/artifacts").json()["items"]
    assert [(file["name"], file["size"], file["is_input"]) for file in files] == [
        ("a.txt", 3, True),
        ("b.txt", 3, True),
    ]
    download = program.client.get(files[1]["links"]["download"], headers={"Authorization": f"Bearer {program.text}"})
    assert b"".join(download.streaming_content) == b"two"
    assert download.headers["Content-Disposition"] == 'attachment; filename="b.txt"'
    assert "sandbox" in download.headers["Content-Security-Policy"]


def test_multipart_with_plain_fields(program):
    response = program.form("jobs", {"kind": KIND, "text": "hello", "colours": ["r", "g"], "fast": "false"})
    assert response.status_code == 202, response.content
    params = Job.objects.get(id=response.json()["id"]).params
    assert (params["text"], params["colours"], params["fast"]) == ("hello", ["r", "g"], False)


def test_bad_files_are_named(program):
    fields = {"kind": KIND, "text": "hello"}
    assert "params.files" in errors_of(program.form("jobs", {**fields, "files": SimpleUploadedFile("a.exe", b"x")}))
    assert "params.photo" in errors_of(program.form("jobs", {**fields, "photo": SimpleUploadedFile("a.txt", b"x")}))
    assert "params" in errors_of(program.form("jobs", {**fields, "params": "[1]"}))
    assert not Artifact.objects.exists()


def test_idempotency_key(program):
    body = {"kind": KIND, "params": VALID}
    first = program.post("jobs", body, Idempotency_Key="k1").json()["id"]
    assert program.post("jobs", body, Idempotency_Key="k1").json()["id"] == first
    assert program.post("jobs", body, Idempotency_Key="k2").json()["id"] != first
    conflict = program.post("jobs", {"kind": KIND, "params": {"text": "other"}}, Idempotency_Key="k1")
    assert conflict.status_code == 409
    assert "Idempotency-Key" in errors_of(program.post("jobs", body, Idempotency_Key="x" * 256))


def test_over_quota(program, settings):
    settings.QUOTA_UNFINISHED = 1
    submit(program)
    response = program.post("jobs", {"kind": KIND, "params": VALID})
    assert response.status_code == 429
    assert response.headers["Retry-After"]


def test_bulk_all_or_none(program):
    items = [{"text": f"number {index}"} for index in range(25)]
    accepted = program.post("jobs/bulk", {"kind": KIND, "items": items, "priority": "low"})
    assert accepted.status_code == 202
    assert accepted.json()["count"] == len(set(accepted.json()["ids"])) == 25
    items[3] = {"text": "hello", "width": 0}
    assert set(errors_of(program.post("jobs/bulk", {"kind": KIND, "items": items}))) == {"items[3].width"}
    assert Job.objects.count() == 25
    assert "items" in errors_of(program.post("jobs/bulk", {"kind": KIND, "items": []}))
    assert "items" in errors_of(program.post("jobs/bulk", {"kind": KIND, "items": [VALID, 3]}))
    assert "items" in errors_of(program.post("jobs/bulk", {"kind": KIND, "items": [{}] * 10_001}))


def test_etag_and_304(program):
    job_id = submit(program).json()["id"]
    first = program.get(f"jobs/{job_id}")
    etag = first.headers["ETag"]
    unchanged = program.get(f"jobs/{job_id}", If_None_Match=f'"x", W/{etag}')
    assert (unchanged.status_code, unchanged.content, unchanged.headers["ETag"]) == (304, b"", etag)
    assert unchanged.headers["Retry-After"] == "1"
    Job.objects.filter(id=job_id).update(state=State.SUCCESS)
    changed = program.get(f"jobs/{job_id}", If_None_Match=etag)
    assert changed.status_code == 200
    assert "Retry-After" not in changed.headers


def test_list_filters_and_pages(program):
    ids = [submit(program, text=f"number {index}").json()["id"] for index in range(5)]
    Job.objects.filter(id=ids[0]).update(state=State.FAILURE)
    first = program.get("jobs?limit=2").json()
    assert [item["id"] for item in first["items"]] == [ids[4], ids[3]]
    second = program.get(f"jobs?limit=2&cursor={first['next']}").json()
    assert [item["id"] for item in second["items"]] == [ids[2], ids[1]]
    assert [item["id"] for item in program.get("jobs?state=failed").json()["items"]] == [ids[0]]
    assert program.get("jobs?kind=nosuch").json()["items"] == []
    for bad in ("state=odd", "limit=0", "limit=501", "limit=x", "cursor=!", "since=later"):
        assert bad.split("=")[0] in errors_of(program.get(f"jobs?{bad}"))


def test_cancel_retry_rerun(program):
    job_id = submit(program).json()["id"]
    cancelled = program.post(f"jobs/{job_id}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (202, "REVOKED")
    again = program.post(f"jobs/{job_id}/cancel")
    assert (again.status_code, again.json()["state"]) == (409, "REVOKED")
    retried = program.post(f"jobs/{job_id}/retry").json()
    assert (retried["id"], retried["state"], retried["attempt"]) == (job_id, "PENDING", 2)
    assert program.post(f"jobs/{job_id}/retry").status_code == 409
    rerun = program.post(f"jobs/{job_id}/rerun", {"params": {"width": 7}})
    assert rerun.status_code == 202
    new = Job.objects.get(id=rerun.json()["id"])
    assert new.id != job_id
    assert (new.rerun_of.id, new.params["width"], new.params["text"]) == (job_id, 7, "hello")
    assert "params.width" in errors_of(program.post(f"jobs/{job_id}/rerun", {"params": {"width": 0}}))
    assert "width" in errors_of(program.post(f"jobs/{job_id}/rerun", {"width": 7}))
    told = [[(entry.action, entry.via) for entry in audit_of(job)] for job in (Job.objects.get(id=job_id), new)]
    assert told == [[("submit", "api"), ("cancel", "api"), ("retry", "api")], [("rerun", "api")]]


def test_logs_page_on(program):
    job = Job.objects.get(id=submit(program).json()["id"])
    for number in range(5):
        LogLine.objects.create(
            job=job, attempt=1 + number // 3, event=f"{number}-0", at=job.created, text=f"line {number}"
        )
    first = program.get(f"jobs/{job.id}/logs?limit=3").json()
    assert [line["text"] for line in first["items"]] == ["line 0", "line 1", "line 2"]
    rest = program.get(f"jobs/{job.id}/logs?cursor={first['next']}").json()
    assert [line["text"] for line in rest["items"]] == ["line 3", "line 4"]
    assert len(program.get(f"jobs/{job.id}/logs?attempt=2").json()["items"]) == 2
    assert "cursor" in errors_of(program.get(f"jobs/{job.id}/logs?cursor=-1"))


def test_a_foreign_id_with_a_slash(program):
    Job.objects.create(id="a/b c", kind="their.task", is_kind=False, title="t", queue="cpu", owner=program.user)
    body = program.get("jobs/a%2Fb%20c").json()
    assert body["id"] == "a/b c"
    assert program.get(body["links"]["attempts"].removeprefix("/api/v1/")).status_code == 200
    assert program.post("jobs/a%2Fb%20c/rerun").status_code == 403
    program.user.is_staff = True
    program.user.save()
    assert "kind" in errors_of(program.post("jobs/a%2Fb%20c/rerun"))


def test_what_happened_is_answered_once_sql_has_the_end_that_redis_shows(program, monkeypatch):
    job = make_job(owner=program.user, state="RETRY")
    run_hash(job, state="SUCCESS", attempt=2)

    def record(seconds):
        Attempt.objects.create(job=job, number=2, state="SUCCESS")
        Job.objects.filter(pk=job.pk).update(state="SUCCESS", attempt=2)

    monkeypatch.setattr("jobs.submit.live.time.sleep", record)
    [attempt] = program.get(f"jobs/{job.id}/attempts").json()["items"]
    assert (attempt["number"], attempt["state"]) == (2, "SUCCESS")
