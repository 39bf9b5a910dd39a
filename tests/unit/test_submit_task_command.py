"""manage.py submit --task: other people's Celery tasks on the command line."""

import pytest

from jobs.models import Job
from tests.unit.api_client import make_user
from tests.unit.foreign_tasks import NAME
from tests.unit.test_commands import run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def admin():
    return make_user("admin", is_staff=True)


def test_arguments_are_read_by_their_type(admin):
    status, out, _ = run(
        "submit", "--task", f"{NAME}typed", "--arg", "7", "--kwarg", "name=8", "--kwarg", "loud=true",
        "--kwarg", 'tags=["a"]', "--kwarg", "maybe=false", "--queue", "io",
    )  # fmt: skip
    job = Job.objects.get()
    assert (status, out.strip(), job.owner, job.via, job.queue) == (0, job.id, admin, "cli", "io")
    assert job.params["kwargs"] == {"count": 7, "name": "8", "loud": True, "tags": ["a"], "maybe": False}


def test_untyped_and_spread_arguments_are_json_or_text():
    run("submit", "--task", f"{NAME}spread", *(word for value in ("1", "two", "3") for word in ("--arg", value)),
        "--kwarg", "more_of_it={\"a\": 1}")  # fmt: skip
    assert Job.objects.get().params == {"args": [1, "two", 3], "kwargs": {"more_of_it": {"a": 1}}}


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--task", f"{NAME}typed", "--arg", "x", "--arg", "a"], "count: Enter a whole number."),
        (["--task", f"{NAME}typed", "--arg", "1"], "name: This parameter is required."),
        (["--task", f"{NAME}add", "--kwarg", "x"], "--kwarg: 'x' cannot be used"),
        (["--task", f"{NAME}add", "--param", "x=1"], "a task takes --arg and --kwarg"),
        (["--task", "no.such"], "No Celery task 'no.such'"),
        (["add", "--arg", "1"], "a kind takes --param"),
        (["add", "--task", f"{NAME}add"], "Name a kind, or a task"),
        ([], "Name a kind, or a task"),
    ],
)
def test_what_is_wrong_is_told(words, told):
    status, _, err = run("submit", *words)
    assert status == 2 and told in err
    assert not Job.objects.exists()
