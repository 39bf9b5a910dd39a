"""Whatever way a job comes in, the same is made of it, or the same said: one table of ways and of what is sent."""

import json
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.utils.datastructures import MultiValueDict

from jobs.core.errors import Refused
from jobs.kinds.email import SendEmail
from jobs.models import Job
from jobs.schedules.call import draft_of
from jobs.submit import submit, submit_many
from jobs.submit.submission import accept
from jobs.workflows.build import submit_workflow
from tests.unit.api_client import Program
from tests.unit.schedule_making import make_schedule

pytestmark = pytest.mark.django_db(transaction=True)
GOOD = {"x": 1, "y": 2}


@pytest.fixture(autouse=True)
def queues(settings):
    settings.JOBSITE_QUEUES = {"io": ["slow"]}


@pytest.fixture
def people():
    make = get_user_model().objects.create_user
    return {"ordinary": make("ann", password="a"), "operator": make("olga", password="o", is_staff=True)}


@contextmanager
def plain_names():
    """Fields by their own names, whatever stands before these where many are sent at once."""
    try:
        yield
    except Refused as refused:
        raise Refused({name.rpartition(".")[2]: texts for name, texts in refused.errors.items()}) from refused


def program(user, params, said):
    return submit("add", params, user=user, **said)


def bulk(user, params, said):
    with plain_names():
        return submit_many("add", [params], user=user, **said)[0]


def _api(user, path, body, said):
    answer = Program(user).post(path, {**body, **{name: str(value) for name, value in said.items()}})
    if answer.status_code != 202:
        raise Refused({name.rpartition(".")[2]: texts for name, texts in answer.json()["errors"].items()})
    return Job.objects.latest("seq")


def api(user, params, said):
    return _api(user, "jobs", {"kind": "add", "params": params}, said)


def api_bulk(user, params, said):
    return _api(user, "jobs/bulk", {"kind": "add", "items": [params]}, said)


def api_rerun(user, params, said):
    old = submit("add", GOOD, user=user)
    return _api(user, f"jobs/{old.id}/rerun", {"params": params}, said)


def command(user, params, said):
    words = [word for name, value in params.items() for word in ("--param", f"{name}={value}")]
    due = {"--due": said["due_at"].isoformat()} if "due_at" in said else {}
    options = {f"--{name}": value for name, value in said.items() if name != "due_at"} | due
    try:
        call_command(
            "submit", "add", *words, "--user", user.username, *(part for pair in options.items() for part in pair)
        )
    except CommandError as error:
        lines = [line.partition(": ") for line in str(error).splitlines() if ": " in line]
        raise Refused({{"--due": "due_at"}.get(name, name): [text] for name, _, text in lines}) from error
    return Job.objects.latest("seq")


def workflow(user, params, said):
    due = {"due_at": said["due_at"]} if "due_at" in said else {}
    step = {"kind": "add", "params": params, **{name: value for name, value in said.items() if name != "due_at"}}
    with plain_names():
        return submit_workflow({"chain": [step], **due}, user=user).jobs.get()


def schedule(user, params, said):
    made = make_schedule(user)
    task = made.task
    task.kwargs, task.queue = json.dumps(params), said.get("queue")
    task.save()
    draft = draft_of(made, None, user)
    accept(draft)
    return draft.job


def page(user, params, said):
    from django.test import Client

    client = Client()
    client.force_login(user)
    answer = client.post("/new/add", {**params, **{f"job-{name}": value for name, value in said.items()},
                                      "job-start": "now"})  # fmt: skip
    if answer.status_code != 302:
        form = answer.context["form"]
        raise Refused({**answer.context["options"].errors, **form.errors})
    return Job.objects.latest("seq")


ALL = [program, bulk, api, api_bulk, api_rerun, command, workflow, schedule, page]
SAYING = [program, bulk, api, api_bulk, api_rerun, command, workflow]
#: Who, parameters, what is said beside them, the ways in that can say so; columns of the row, or a field and its error.
SENT = {
    "nothing beside": ("ordinary", GOOD, {}, ALL, {"queue": "io", "priority": 6}),
    "its own pool": ("ordinary", GOOD, {"queue": "io"}, [*SAYING, schedule], {"queue": "io"}),
    "a further queue": ("operator", GOOD, {"queue": "slow"}, ALL, {"queue": "slow"}),
    "a queue that is not hers to choose": (
        "ordinary", GOOD, {"queue": "slow"}, [*SAYING, schedule], ("queue", "Only operators choose a queue"),
    ),
    "no queue": ("operator", GOOD, {"queue": "nope"}, [*SAYING, schedule], ("queue", "There is no queue 'nope'")),
    "a priority": ("ordinary", GOOD, {"priority": "urgent"}, [*SAYING, page], {"priority": 0}),
    "no parameter": ("ordinary", {"x": "much", "y": 2}, {}, ALL, ("x", "Enter a number.")),
    "after the calendar": (
        "ordinary", GOOD, {"due_at": datetime(9999, 12, 31, 23, tzinfo=UTC)}, SAYING, ("due_at", "cannot be used"),
    ),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "way"), [(name, way) for name, case in SENT.items() for way in case[3]])
def test_each_way_in_makes_the_same_of_it(sent, way, people):
    who, params, said, _, expected = SENT[sent]
    if isinstance(expected, dict):
        job = way(people[who], params, said)
        assert {name: getattr(job, name) for name in expected} == expected
        assert {name: job.params[name] for name in GOOD} == GOOD
    else:
        field, text = expected
        with pytest.raises(Refused) as refused:
            way(people[who], params, said)
        assert list(refused.value.errors) == [field] and text in refused.value.errors[field][0]


@pytest.mark.parametrize("way", ALL)
def test_a_kind_that_was_moved_goes_to_its_new_pool_whoever_sends_it(way, people, monkeypatch):
    monkeypatch.setattr("jobs.submit.terms.pool_of", lambda kind: "cpu")
    assert way(people["ordinary"], GOOD, {}).queue == "cpu"


def test_a_form_is_bound_and_checked_once(people, monkeypatch):
    bound = []
    clean = SendEmail.Form.full_clean

    def counted(form):
        bound.append(form)
        return clean(form)

    monkeypatch.setattr(SendEmail.Form, "full_clean", counted)
    file = SimpleUploadedFile("note.txt", b"content")
    params = {"to": "ann@example.org", "subject": "s", "text": "b"}
    job = submit("email", params, files=MultiValueDict({"attachments": [file]}), user=people["ordinary"])
    assert len(bound) == 1
    [artifact] = job.artifacts.all()
    with artifact.storage().open(artifact.path) as kept:
        assert kept.read() == b"content"
