"""Workflows over REST."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from jobs.models import Artifact, Job, Workflow
from tests.unit.api_client import Program, make_user

pytestmark = pytest.mark.django_db(transaction=True)

CHAIN = {"chain": [{"kind": "add", "params": {"x": 1, "y": 2}}, {"kind": "multiply", "params": {"x": "${result}"}}]}


@pytest.fixture
def program():
    return Program(make_user("alice"))


def test_a_workflow_is_accepted_with_its_jobs_and_shown(program):
    answer = program.post("workflows", {**CHAIN, "title": "Sums", "on_failure": "skip"})
    assert answer.status_code == 202
    body = answer.json()
    assert (body["title"], body["state"], body["progress"]) == ("Sums", "PENDING", {"current": 0, "total": 2})
    first, second = body["jobs"]
    assert second["after"] == [first["id"]] and first["after"] == [] and second["shown"] == "scheduled"
    shown = program.get(answer.headers["Location"].removeprefix("/api/v1/")).json()
    assert shown == body
    assert program.get(f"jobs/{first['id']}").json()["workflow"] == body["id"]


def test_lists_are_paged_newest_first_and_show_ones_own(program):
    ids = [program.post("workflows", CHAIN).json()["id"] for _ in range(3)]
    Program(make_user("bob")).post("workflows", CHAIN)
    page = program.get("workflows?limit=2").json()
    assert [each["id"] for each in page["items"]] == ids[:0:-1] and page["items"][0]["jobs"] is None
    rest = program.get(f"workflows?cursor={page['next'].replace('+', '%2B')}").json()
    assert [each["id"] for each in rest["items"]] == ids[:1] and rest["next"] is None


def test_somebody_elses_is_not_found(program):
    theirs = Program(make_user("bob")).post("workflows", CHAIN).json()["id"]
    assert program.get(f"workflows/{theirs}").status_code == 404
    assert program.post(f"workflows/{theirs}/cancel").status_code == 404


def test_bad_fields_are_named_and_nothing_is_stored(program):
    answer = program.post("workflows", {"chain": [{"kind": "add", "params": {"x": "one"}}, {"kind": "none"}]})
    assert answer.status_code == 422
    assert set(answer.json()["errors"]) == {"chain[0].params.x", "chain[1].kind"}
    assert program.post("workflows", {"chains": []}).status_code == 422
    assert program.post("workflows", {"chain": [{"task": "jobs.tasks.nothing"}]}).status_code == 422
    assert not Workflow.objects.exists() and not Job.objects.exists()


def test_cancel_and_retry_answer_what_they_did_or_why_not(program):
    key = program.post("workflows", CHAIN).json()["id"]
    assert program.post(f"workflows/{key}/retry").status_code == 409
    assert program.post(f"workflows/{key}/cancel").status_code == 202
    assert Job.objects.filter(workflow=key, cancel_requested_at=None).count() == 0


def test_the_same_key_answers_the_same_workflow(program):
    first = program.post("workflows", CHAIN, Idempotency_Key="k")
    again = program.post("workflows", CHAIN, Idempotency_Key="k")
    assert first.json()["id"] == again.json()["id"]
    other = program.post("workflows", {"chain": CHAIN["chain"][:1]}, Idempotency_Key="k")
    assert other.status_code == 409


def test_files_come_along_under_the_names_that_steps_give(program):
    step = {"kind": "report", "params": {"table": ["upload:sales"], "group_by": "a", "measure": "b"}}
    file = SimpleUploadedFile("sales.csv", b"a,b\n1,2\n")
    answer = program.form("workflows", {"params": json.dumps({"chain": [step]}), "sales": file})
    assert answer.status_code == 202, answer.content
    job = Job.objects.get(id=answer.json()["jobs"][0]["id"])
    assert [row.name for row in job.artifacts.all()] == ["sales.csv"]
    assert Artifact.storage().open(job.params["table"][0]["path"]).read() == b"a,b\n1,2\n"
    unused = SimpleUploadedFile("other.csv", b"a,b\n1,2\n")
    answer = program.form("workflows", {"params": json.dumps(CHAIN), "other": unused})
    assert answer.status_code == 422 and list(answer.json()["errors"]) == ["other"]


def test_a_wrong_shape_is_told_before_its_files_are_looked_at_or_kept(program):
    file = SimpleUploadedFile("sales.csv", b"a,b\n1,2\n")
    answer = program.form("workflows", {"data": json.dumps(CHAIN), "sales": file})
    assert answer.status_code == 422 and list(answer.json()["errors"]) == ["workflow"]
    file.seek(0)
    answer = program.form(
        "workflows", {"params": json.dumps({"chain": [{"kind": 5, "params": "upload:sales"}]}), "sales": file}
    )
    assert answer.status_code == 422 and list(answer.json()["errors"]) == ["chain[0].kind"]
    assert not Artifact.objects.exists()


def test_files_sent_again_with_the_same_key_answer_the_same_workflow(program):
    step = {"kind": "report", "params": {"table": "upload:sales", "group_by": "a", "measure": "b"}}

    def send(content):
        file = SimpleUploadedFile("sales.csv", content)
        fields = {"params": json.dumps({"chain": [step]}), "sales": file}
        return program.client.post(
            "/api/v1/workflows", fields, headers={"Authorization": f"Bearer {program.text}", "Idempotency-Key": "k"}
        )

    first, again = send(b"a,b\n1,2\n"), send(b"a,b\n1,2\n")
    assert first.status_code == again.status_code == 202 and first.json()["id"] == again.json()["id"]
    assert Artifact.objects.count() == 2, "the file, and the job's own row of it"
    assert send(b"a,b\n1,3\n").status_code == 409
