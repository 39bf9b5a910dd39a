"""manage.py createtoken, kinds and submit: what they print, and how they end."""

import io
import json

import jsonschema
import pytest
from django.core.management import CommandError, call_command
from django.core.management.base import OutputWrapper
from django.utils import timezone

from jobs.browse.live import overlay
from jobs.core.states import State
from jobs.management import follow
from jobs.models import Artifact, Job
from jobs.wire import keys
from jobs.wire.connection import redis_client
from tests.unit.api_client import make_user
from tests.unit.api_kinds import EveryField  # noqa: F401  the kind that is submitted

pytestmark = pytest.mark.django_db(transaction=True)


def run(*args, terminal=False):
    """(exit status, stdout, stderr)"""
    out, err = io.StringIO(), io.StringIO()
    err.isatty = lambda: terminal
    try:
        call_command(*args, stdout=out, stderr=err)
    except CommandError as error:
        return error.returncode, out.getvalue(), str(error)
    except SystemExit as end:
        return end.code, out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


@pytest.fixture
def admin():
    return make_user("admin", is_staff=True)


def submit(*args):
    return run("submit", "test-every", "--param", "text=hello", *args)


def end_soon(monkeypatch, state, **fields):
    """Let the followed job end, as the keeper records it, once the command has looked at it twice."""
    looks = []

    def look(seconds):
        looks.append(seconds)
        if len(looks) == 2:
            now = timezone.now()
            Job.objects.update(state=state, started_at=now, finished_at=now, changed=now, **fields)

    monkeypatch.setattr(follow, "sleep", look)
    return looks


def test_createtoken(admin, client):
    status, out, _ = run("createtoken", "admin", "--scope", "read", "--name", "ci")
    assert status == 0
    token = out.strip()
    assert out == token + "\n"
    assert client.get("/api/v1/kinds", headers={"Authorization": f"Bearer {token}"}).status_code == 200
    assert run("createtoken", "nobody")[0] == 2
    assert run("createtoken", "admin", "--name", "")[0] == 2


def test_kinds():
    assert ["test-every", "cpu", "Take", "everything"] in [line.split() for line in run("kinds")[1].splitlines()]
    found = {kind["kind"]: kind for kind in json.loads(run("kinds", "--json")[1])}
    jsonschema.Draft202012Validator.check_schema(found["test-every"]["schema"])


def test_submit_prints_the_id(admin):
    status, out, _ = submit(
        "-p", "colours=r", "-p", "colours=g", "-p", "fast=no", "--priority", "high", "--label", "Mine"
    )
    job = Job.objects.get(id=out.strip())
    assert status == 0
    assert (job.via, job.owner, job.title, job.priority) == ("cli", admin, "Mine", 3)
    assert (job.params["colours"], job.params["fast"]) == (["r", "g"], False)


def test_submit_files_and_values_from_files(admin, tmp_path):
    (tmp_path / "a.txt").write_text("one")
    _, out, _ = submit("--file", f"files={tmp_path / 'a.txt'}", "--param", f"note=@{tmp_path / 'a.txt'}")
    artifact = Artifact.objects.get(job__id=out.strip())
    assert (artifact.name, artifact.size, artifact.content_type) == ("a.txt", 3, "text/plain")
    assert artifact.job.params["note"] == "one"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["-p", "width=0", "-p", "mode=odd"], "width: "),
        (["-p", "width=0", "-p", "mode=odd"], "mode: "),
        (["-p", "width"], "NAME=VALUE"),
        (["-p", "nosuch=1"], "nosuch: Unknown parameter"),
        (["-p", "fast=maybe"], "fast: 'maybe'"),
        (["-p", "files=x"], "--file files=PATH"),
        (["--file", "files=/nonexistent.txt"], "files: /nonexistent.txt cannot be read"),
        (["--file", "photo=x"], "photo: Not a file field"),
        (["--due", "tomorrow"], "--due: 'tomorrow'"),
        (["--user", "nobody"], "no user 'nobody'"),
        (["--queue", "nowhere"], "queue: "),
        (["--timeout", "-1"], "--timeout: "),
    ],
)
def test_refused_input_ends_with_2(admin, args, says):
    status, out, err = submit(*args)
    assert (status, out) == (2, "")
    assert says in err
    assert not Job.objects.exists()


def test_unknown_kind_ends_with_2(admin):
    status, _, err = run("submit", "nosuch")
    assert status == 2
    assert "test-every" in err


@pytest.mark.parametrize(
    ("state", "status", "word"),
    [(State.SUCCESS, 0, "Succeeded"), (State.FAILURE, 1, "Failed"), (State.REVOKED, 3, "Cancelled")],
)
def test_wait_ends_as_the_job_does(admin, monkeypatch, state, status, word):
    end_soon(monkeypatch, state, error="no such file" if state == State.FAILURE else "")
    ended, out, err = submit("--wait")
    assert ended == status
    assert out.splitlines()[0] == Job.objects.get().id
    assert err.splitlines()[0] == "Queued"
    assert err.splitlines()[-1].startswith(word)
    assert ("no such file" in err) == (state == State.FAILURE)


def test_wait_draws_one_line_in_a_terminal(admin, monkeypatch):
    end_soon(monkeypatch, State.SUCCESS)
    status, _, err = run("submit", "test-every", "-p", "text=hello", "--wait", terminal=True)
    assert status == 0
    assert "\r\x1b[KQueued\r\x1b[K" in err


def test_wait_shows_the_live_progress(admin):
    now = timezone.now().timestamp()
    progress = {"current": 6214, "total": 10_000, "step": "sent", "at": now, "started": now - 60}
    job = Job.objects.create(kind="test-every", title="t", queue="cpu", max_attempts=3, attempt=2)
    live = {"attempt": 2, "state": "STARTED", "phase": "running", "progress": json.dumps(progress)}
    redis_client().hset(keys.run(job.id), mapping=live)
    shown = overlay([job]).get(job)
    assert follow.line_of(job, shown) == "Running, attempt 2 of 3, 6,214 of 10,000 sent, 37 s left"
    screen = io.StringIO()
    screen.isatty = lambda: True
    follow.Screen(OutputWrapper(screen)).show("Running", shown.progress)
    assert screen.getvalue() == "\r\x1b[K" + "█" * 15 + "░" * 9 + " Running"


def test_wait_gives_up_after_the_timeout(admin):
    status, _, err = submit("--wait", "--timeout", "0")
    assert status == 4
    assert f"Job {Job.objects.get().id} goes on." in err


def test_ctrl_c_leaves_the_job_running(admin, monkeypatch):
    def interrupt(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(follow, "sleep", interrupt)
    status, _, err = submit("--wait")
    assert status == 130
    assert "goes on" in err
    assert Job.objects.get().state == State.PENDING
