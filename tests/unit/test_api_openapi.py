"""The API's description is valid, complete, and true."""

import html

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from jobs.models import Job, LogLine
from jobs.web.api.endpoint import CALLS
from jobs.web.api.openapi import document
from tests.unit.api_client import Program, make_user
from tests.unit.api_kinds import VALID


@pytest.fixture(scope="module", autouse=True)
def calls_are_registered():
    import jobs.web.api.urls  # noqa: F401


def validator(schema):
    whole = {**schema, "components": document()["components"]}
    return Draft202012Validator(whole, format_checker=Draft202012Validator.FORMAT_CHECKER)


def test_the_document_is_valid_openapi():
    OpenAPIV31SpecValidator(document()).validate()


def test_every_call_is_described():
    described = {
        (method.upper(), path)
        for path, item in document()["paths"].items()
        for method in item
        if method != "parameters"
    }
    assert described == {(call.method, call.url) for call in CALLS}
    assert len({call.handler.__name__ for call in CALLS}) == len(CALLS)
    assert all(call.summary and call.answers and call.example for call in CALLS)


@pytest.mark.parametrize(
    "path",
    [
        "jobs", "jobs/bulk", "jobs/{id}", "jobs/{id}/attempts", "jobs/{id}/logs", "jobs/{id}/artifacts",
        "jobs/{id}/artifacts/{artifact}", "jobs/{id}/cancel", "jobs/{id}/retry", "jobs/{id}/rerun",
        "workers", "workers/{name}/ping", "queues", "queues/{name}/pause", "queues/{name}/resume",
        "kinds", "kinds/{slug}", "events", "openapi.json", "docs",
    ],
)  # fmt: skip
def test_the_contract_is_kept(path):
    assert f"/api/v1/{path}" in document()["paths"]


@pytest.mark.django_db(transaction=True)
def test_answers_are_as_described(client):
    program = Program(make_user("lena"))
    made = program.post("jobs", {"kind": "test-every", "params": VALID})
    job = Job.objects.get(id=made.json()["id"])
    LogLine.objects.create(job=job, attempt=1, event="1-0", at=job.created, text="hello")
    program.post(f"jobs/{job.id}/cancel")
    fetched = [
        ("/jobs", "post", made),
        ("/jobs", "get", program.get("jobs")),
        ("/jobs/{id}", "get", program.get(f"jobs/{job.id}")),
        ("/jobs/{id}/attempts", "get", program.get(f"jobs/{job.id}/attempts")),
        ("/jobs/{id}/logs", "get", program.get(f"jobs/{job.id}/logs")),
        ("/jobs/{id}/artifacts", "get", program.get(f"jobs/{job.id}/artifacts")),
        ("/kinds", "get", program.get("kinds")),
        ("/kinds/{slug}", "get", program.get("kinds/test-every")),
        ("/openapi.json", "get", client.get("/api/v1/openapi.json")),
    ]
    for path, method, response in fetched:
        schema = document()["paths"]["/api/v1" + path][method]["responses"][str(response.status_code)]
        errors = list(validator(schema["content"]["application/json"]["schema"]).iter_errors(response.json()))
        assert not errors, (path, errors[:3])
    refused = program.post("jobs", {"kind": "test-every"})
    assert validator({"$ref": "#/components/schemas/Problem"}).is_valid(refused.json())


@pytest.mark.django_db
def test_docs_list_every_call(client):
    assert client.get("/api/v1/docs").headers["Location"].startswith("/login")
    client.force_login(make_user("lena"))
    page = client.get("/api/v1/docs")
    assert page.status_code == 200
    text = html.unescape(page.content.decode())
    assert " style=" not in text
    for call in CALLS:
        if call.path != "docs":
            assert f"{call.method} {call.path}" in text
            assert call.summary in text
