"""Pausing a running job: the door, the wish in Redis, the worker that stands still, the time limit that does too."""

import threading
import time

import pytest
from django.conf import settings

from jobs.core.errors import Cancelled
from jobs.core.kind import PAUSED_STEP
from jobs.kinds.email import SendEmail
from jobs.kinds.examples import Sleep
from jobs.models import AuditEntry
from jobs.wire import keys
from jobs.wire.connection import redis_client
from jobs.worker import execution as worker_execution
from jobs.worker import lease, report
from jobs.worker.context import JobContext
from jobs.worker.execution import Execution, HandedOver
from jobs.worker.rawredis import RawRedis
from tests.unit.api_client import Program, check_problem, make_user
from tests.unit.job_rows import alice, bob, make_job, olga, run_hash, users  # noqa: F401

pytestmark = pytest.mark.django_db(transaction=True)


def eventually(condition, what):
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.02)


@pytest.fixture
def program():
    return Program(make_user("lena"))


class Work(threading.Thread):
    """An attempt of a pausable job, in a thread as the pool has it, with the looks of its lease thread."""

    def __init__(self, attempt=1, job="job-1", steps=1000):
        super().__init__(daemon=True)
        self.execution = Execution(job, attempt, "jobs.count")
        self.steps, self.raised, self.number = steps, None, 0
        self.raw = RawRedis(settings.REDIS_URL)
        self.ended = threading.Event()

    def run(self):
        worker_execution.running[self.execution.job] = self.execution
        ctx = JobContext(self.execution, pausable=True)
        try:
            while self.number < self.steps:
                self.number += 1
                ctx.progress(self.number, self.steps, "counted")
                time.sleep(0.01)
        except BaseException as error:
            self.raised = error
        finally:
            worker_execution.running.pop(self.execution.job, None)
            self.ended.set()

    def look(self):
        lease._look(self.raw)

    def stands_still(self):
        before = self.number
        time.sleep(0.1)
        return self.number == before

    def said(self):
        self.look()
        return redis_client().hget(keys.run(self.execution.job), "progress") or ""


@pytest.fixture
def job():
    """A running job of a pausable kind, as SQL and Redis have it."""
    job = make_job(kind="count", id="job-1", state="STARTED")
    execution = Execution(job.id, 1, "jobs.count")
    assert report.claim(execution, report.Claim(unannounced=True)) == "ok"
    return job


def wish(job, program, action):
    answer = program.post(f"jobs/{job.id}/{action}", {})
    assert answer.status_code == 202, answer.content
    return answer.json()


@pytest.fixture
def operator():
    return Program(make_user("olga", is_staff=True))


def test_a_paused_job_stands_still_says_so_and_goes_on_where_it_was(job, operator):
    work = Work()
    work.start()
    eventually(lambda: work.number > 3, "it runs")
    assert wish(job, operator, "pause")["paused"] is True
    eventually(lambda: f'"step": "{PAUSED_STEP}"' in work.said(), "the worker says that it stands still")
    assert work.stands_still()
    reached = work.number
    body = operator.get(f"jobs/{job.id}").json()
    assert (body["state"], body["paused"], body["progress"]["step"]) == ("STARTED", True, PAUSED_STEP)
    assert body["progress"]["eta"] is None
    assert wish(job, operator, "resume")["paused"] is False
    eventually(lambda: '"step": "counted"' in work.said() and work.number > reached, "it goes on")
    assert work.execution.stood_still > 0.1
    work.execution.cancel_asked = 1.0
    assert work.ended.wait(5)
    assert list(AuditEntry.objects.order_by("pk").values_list("action", flat=True)) == ["pause", "resume"]


def test_a_paused_job_can_be_cancelled(job, operator):
    work = Work()
    work.start()
    wish(job, operator, "pause")
    eventually(lambda: PAUSED_STEP in work.said(), "it stands still")
    work.execution.cancel_asked = 1.0  # what the lease thread sets for a wish to cancel
    assert work.ended.wait(5) and isinstance(work.raised, Cancelled)
    report.revoked(work.execution)
    assert not redis_client().hexists(keys.PAUSES, job.id)
    assert redis_client().hget(keys.run(job.id), "pause") is None


def test_an_emptied_redis_is_no_word_to_go_on(job, operator):
    work = Work()
    work.start()
    wish(job, operator, "pause")
    eventually(lambda: PAUSED_STEP in work.said(), "it stands still")
    redis_client().delete(keys.PAUSES)
    work.look()
    assert work.stands_still()
    work.execution.cancel_asked = 1.0
    assert work.ended.wait(5)


def test_a_later_attempt_begins_paused(job, operator):
    wish(job, operator, "pause")
    redis_client().hset(keys.run(job.id), mapping={"attempt": 2, "phase": "queued"})
    later = Execution(job.id, 2, "jobs.count")
    assert report.claim(later, report.Claim(unannounced=True)) == "ok"
    work = Work(attempt=2)
    work.start()
    eventually(lambda: PAUSED_STEP in work.said(), "it stands still without a look of the lease thread")
    assert work.number == 1
    wish(job, operator, "resume")
    work.look()
    eventually(lambda: work.number > 1, "it goes on")
    work.execution.cancel_asked = 1.0
    assert work.ended.wait(5)


def test_a_worker_that_stops_hands_a_paused_job_over(job, operator, monkeypatch):
    monkeypatch.setattr(worker_execution.process, "stops", lambda: True)
    work = Work(steps=1)
    wish(job, operator, "pause")
    work.start()
    assert work.ended.wait(5) and isinstance(work.raised, HandedOver)
    assert redis_client().hget(keys.PAUSES, job.id) == "1"


def test_a_kind_that_is_not_pausable_does_not_look(job):
    redis_client().hset(keys.PAUSES, job.id, "1")
    execution = Execution(job.id, 1, "jobs.sleep", paused=True)
    JobContext(execution, Sleep.pausable).progress(1, 1)


@pytest.mark.parametrize("pool", ["eventlet", "gevent"])
def test_a_time_limit_stands_still_with_the_job(monkeypatch, pool):
    from jobs.worker import greenlimits

    if pool == "eventlet":
        from eventlet import sleep
    else:
        from gevent import sleep
    monkeypatch.setattr(worker_execution.process, "pool", pool)
    given, timer = [], greenlimits._timer
    monkeypatch.setattr(greenlimits, "_timer", lambda left, error: given.append(left) or timer(left, error))
    clock = greenlimits.Clock({TimeoutError("late"): 60.0})
    began = time.monotonic()
    clock.start()
    sleep(0.1)
    clock.stop()
    worked = time.monotonic() - began
    sleep(0.4)
    clock.start()
    clock.stop()
    assert 60 - worked <= given[1] < 59.95
    clock = greenlimits.Clock({TimeoutError("late"): 0.1})
    clock.start()
    clock.stop()
    sleep(0.3)
    with pytest.raises(TimeoutError):
        clock.start()
        sleep(10)
    clock.stop()


def test_what_cannot_be_paused_is_refused_with_its_state(operator, program, job):
    for kind, state, said in (
        ("sleep", "STARTED", "cannot be paused"),
        ("count", "PENDING", "this job is queued"),
        ("count", "SUCCESS", "this job is succeeded"),
    ):
        other = make_job(kind=kind, state=state)
        answer = operator.post(f"jobs/{other.id}/pause", {})
        assert answer.status_code == 409
        problem = check_problem(answer)
        assert problem["state"] == state and said in problem["detail"]
    assert operator.post(f"jobs/{job.id}/resume", {}).status_code == 409
    wish(job, operator, "pause")
    assert operator.post(f"jobs/{job.id}/pause", {}).status_code == 409
    for action in ("pause", "resume"):
        assert program.post(f"jobs/{job.id}/{action}", {}).status_code == 404
    assert redis_client().hget(keys.PAUSES, job.id) == "1"


def test_the_page_offers_what_can_be_done_and_says_what_is_so(client, alice):  # noqa: F811
    job = make_job(owner=alice, state="STARTED")
    assert SendEmail.pausable
    client.force_login(alice)

    def page():
        return client.get(f"/jobs/{job.id}/").content.decode()

    run_hash(job, current=412, total=10_000, step="sent")
    assert "Pause</button>" in page() and "Resume</button>" not in page()
    assert client.post(f"/jobs/{job.id}/pause").url == f"/jobs/{job.id}/"
    asked = page()
    assert "Pausing</span>" in asked and "Resume</button>" in asked and "Pause</button>" not in asked
    run_hash(job, current=412, total=10_000, step=PAUSED_STEP)
    told = page()
    assert "Paused</span>" in told and "412 of 10,000 paused" in told and "left" not in told.split("timeline")[0]
    client.post(f"/jobs/{job.id}/resume")
    assert "Pause</button>" in page()
    assert (
        "Pause</button>"
        not in client.get(f"/jobs/{make_job(owner=alice, kind='sleep', state='STARTED').id}/").content.decode()
    )
