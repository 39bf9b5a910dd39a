"""Other people's Celery tasks over REST: listed with their schemas, submitted, run again; for operators."""

import pytest
from jsonschema import Draft202012Validator

from jobs.models import Job
from jobs.web.api.shapes import SHAPES
from tests.unit.api_client import Program, make_user
from tests.unit.foreign_tasks import NAME

pytestmark = pytest.mark.django_db


@pytest.fixture
def api():
    return Program(make_user("olga", is_staff=True))


def fits(name, value):
    schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": SHAPES}}
    Draft202012Validator(schema).validate(value)


class TestListed:
    def test_each_task(self, api):
        tasks = {each["task"]: each for each in api.get("tasks").json()["items"]}
        fits("Task", tasks[f"{NAME}add"])
        assert tasks[f"{NAME}add"]["description"] == "Add two numbers."
        assert tasks[f"{NAME}typed"]["queue"] == "io"
        assert not {"jobs.add", "jobs.email", "celery.chord", "celery.backend_cleanup"} & tasks.keys()

    def test_one_with_its_schema(self, api):
        task = api.get(f"tasks/{NAME}typed").json()
        fits("TaskWithSchema", task)
        assert task["schema"]["required"] == ["count", "name"]
        assert task["schema"]["properties"]["at"] == {"title": "At", "type": ["string", "null"], "format": "date-time"}
        assert api.get("tasks/no.such").status_code == 404

    def test_others_are_refused(self):
        lena = Program(make_user("lena"))
        for answer in (lena.get("tasks"), lena.get(f"tasks/{NAME}add"), lena.post("jobs", {"task": f"{NAME}add"})):
            assert answer.status_code == 403
        reader = Program(make_user("rosa", is_staff=True), scope="read")
        assert reader.get("tasks").status_code == 200
        assert reader.post("jobs", {"task": f"{NAME}add", "args": [1]}).status_code == 403
        assert not Job.objects.exists()


class TestSubmitted:
    def test_becomes_a_job(self, api):
        body = {"task": f"{NAME}add", "args": [3], "kwargs": {"y": [1]}, "priority": "high", "label": "Sum"}
        answer = api.post("jobs", body)
        assert answer.status_code == 202
        fits("Job", answer.json())
        job = Job.objects.get()
        assert answer.headers["Location"].endswith(job.id)
        assert (job.kind, job.is_kind, job.title, job.priority, job.via) == (f"{NAME}add", False, "Sum", 3, "api")
        assert job.params == {"args": [], "kwargs": {"x": 3, "y": [1]}}

    def test_a_secret_that_cannot_be_read_is_refused_in_words(self, api):
        answer = api.post("jobs", {"task": f"{NAME}login", "kwargs": {"user": "u", "password": "encrypted:x"}})
        assert answer.status_code == 422
        assert "A stored secret cannot be read: give it again." in answer.content.decode()

    def test_after_the_secret_key_has_changed_a_rerun_asks_for_the_secret_again(self, api, settings):
        api.post("jobs", {"task": f"{NAME}login", "kwargs": {"user": "u", "password": "hunter2"}})
        settings.SECRET_KEY = "another"
        answer = api.post(f"jobs/{Job.objects.get().id}/rerun", {})
        assert answer.status_code == 422 and "give it again" in answer.content.decode()

    def test_the_same_key_answers_the_same_job(self, api):
        body = {"task": f"{NAME}login", "kwargs": {"user": "u", "password": "p"}}
        first, second = (api.post("jobs", body, Idempotency_Key="k").json()["id"] for _ in range(2))
        assert first == second
        other = body | {"kwargs": {"user": "u", "password": "q"}}
        assert api.post("jobs", other, Idempotency_Key="k").status_code == 409

    @pytest.mark.parametrize(
        ("body", "fields"),
        [
            ({"task": f"{NAME}typed", "args": ["one"], "kwargs": {"ratio": "x"}}, {"kwargs.name"}),
            ({"task": f"{NAME}typed", "args": ["one", "a"], "kwargs": {"ratio": "x"}}, {"args[0]", "kwargs.ratio"}),
            ({"task": f"{NAME}add", "args": [1, 2, 3]}, {"args"}),
            ({"task": f"{NAME}add", "args": [1], "kwargs": {"z": 1}}, {"kwargs.z"}),
            ({"task": f"{NAME}add", "args": {"x": 1}}, {"args"}),
            ({"task": f"{NAME}add", "kwargs": [1]}, {"kwargs"}),
            ({"task": f"{NAME}add", "args": [1], "priority": "soon"}, {"priority"}),
            ({"task": "no.such"}, {"task"}),
            ({"task": "celery.backend_cleanup"}, {"task"}),
            ({"task": "jobs.add", "kwargs": {"x": 1}}, {"task"}),
            ({"task": f"{NAME}add", "kind": "add"}, {"kind"}),
            ({"task": f"{NAME}add", "params": {}}, {"params"}),
            ({"kind": "add", "args": [1]}, {"args"}),
            ({}, {"kind"}),
        ],
    )  # fmt: skip
    def test_what_is_wrong_is_named(self, api, body, fields):
        answer = api.post("jobs", body)
        assert answer.status_code == 422
        assert set(answer.json()["errors"]) == fields
        assert not Job.objects.exists()

    def test_rerun_with_other_arguments(self, api):
        first = api.post("jobs", {"task": f"{NAME}add", "args": [3, 4]}).json()["id"]
        answer = api.post(f"jobs/{first}/rerun", {"params": {"y": 5}})
        assert answer.status_code == 202
        assert Job.objects.get(id=answer.json()["id"]).params == {"args": [], "kwargs": {"x": 3, "y": 5}}
        assert set(api.post(f"jobs/{first}/rerun", {"params": {"z": 5}}).json()["errors"]) == {"params.z"}
