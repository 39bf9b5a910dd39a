"""The live value over the SQL row, and the shape of a job for programs."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from jobs.browse import live
from jobs.browse.detail import as_json, attempts_of, find, see
from jobs.browse.live import Live, Progress, lay_over, overlay
from jobs.core.states import State
from jobs.models import Attempt
from tests.unit.job_rows import alice, bob, make_job, olga, run_hash, users  # noqa: F401

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("row", "over", "shown"),
    [
        (("PENDING", 1), ("STARTED", 1), ("STARTED", 1)),
        (("STARTED", 1), ("PENDING", 1), ("STARTED", 1)),
        (("RETRY", 1), ("PENDING", 2), ("PENDING", 2)),
        (("PENDING", 2), ("FAILURE", 1), ("PENDING", 2)),
        (("PENDING", 2), ("SUCCESS", 1), ("SUCCESS", 2)),
        (("STARTED", 1), ("FAILURE", 1), ("FAILURE", 1)),
        (("SUCCESS", 1), ("STARTED", 2), ("SUCCESS", 1)),
        (("REVOKED", 1), ("SUCCESS", 1), ("REVOKED", 1)),
    ],
)
def test_the_later_truth_is_shown_and_a_final_state_stays(row, over, shown):
    job = make_job(state=row[0], attempt=row[1])
    lay_over(job, Live(over[1], State(over[0]), "io@a", None, False))
    assert (job.state, job.attempt) == shown


def test_a_page_reads_only_moving_jobs_in_one_round_trip(monkeypatch):
    jobs = [make_job(state="STARTED"), make_job(state="PENDING"), make_job(state="SUCCESS")]
    run_hash(jobs[0], current=1, total=4, step="sent")
    calls = []
    read = live._read
    monkeypatch.setattr(live, "_read", lambda ids: calls.append(ids) or read(ids))
    over = overlay(jobs)
    assert calls == [[jobs[0].id, jobs[1].id]]
    assert over.reachable and over.get(jobs[0]).progress.fraction == 0.25 and over.get(jobs[1]) is None
    overlay([jobs[2]])
    assert len(calls) == 1


def test_without_redis_the_rows_are_sqls_and_it_is_said(monkeypatch):
    from jobs.wire.connection import Breaker

    monkeypatch.setattr(live, "breaker", Breaker(60))

    def refuse(ids):
        raise ConnectionRefusedError("gone")

    monkeypatch.setattr(live, "_read", refuse)
    job = make_job(state="STARTED")
    assert overlay([job]).reachable is False
    monkeypatch.setattr(live, "_read", lambda ids: pytest.fail("asked although Redis was gone a moment ago"))
    assert overlay([job]).reachable is False
    assert job.state == "STARTED"


def test_a_broken_hash_is_passed_over():
    assert Live.parse({}) is None and Live.parse({"attempt": "1", "state": "ODD"}) is None
    assert Progress.parse("[]") is None and Progress.parse("{") is None
    assert Progress.parse('{"current": 5}').fraction is None


def test_time_left_is_told_once_there_is_a_pace():
    assert Progress(25, 100, "", at=1010.0, started=1000.0).eta == 30.0
    assert Progress(25, 100, "", at=1001.0, started=1000.0).eta is None
    assert Progress(0, 100, "", at=1010.0, started=1000.0).eta is None


def test_a_job_for_programs(alice):  # noqa: F811
    from django_celery_results.models import TaskResult

    job = make_job(owner=alice, state="STARTED")
    run_hash(job, current=50, total=100, step="sent")
    data = as_json(see(find(job.id, alice)))
    assert data["state"] == "STARTED" and data["owner"] == "alice" and data["priority"] == "normal"
    assert data["progress"] == {"current": 50, "total": 100, "step": "sent", "eta": 10.0}
    assert data["links"]["self"] == f"/api/v1/jobs/{job.id}" and data["times"]["created"].endswith("Z")
    done = make_job(owner=alice)
    TaskResult.objects.create(task_id=done.id, status="SUCCESS", result='{"sent": 2}')
    assert as_json(see(done))["result"] == {"sent": 2}
    failed = make_job(state="FAILURE", error="No", error_type="OSError")
    assert as_json(see(failed))["error"] == {"type": "OSError", "message": "No"}


def test_the_live_attempt_stands_first_before_it_is_recorded():
    job = make_job(state="RETRY", attempt=1)
    Attempt.objects.create(job=job, number=1, state="RETRY")
    run_hash(job, attempt=2, worker="io@b")
    attempts = attempts_of(see(job))
    assert [(one.number, str(one.state), one.worker) for one in attempts] == [(2, "STARTED", "io@b"), (1, "RETRY", "")]


def test_a_job_is_found_only_by_who_may_see_it(alice, bob, olga):  # noqa: F811
    job = make_job(owner=alice)
    assert find(job.id, alice) and find(job.id, olga)
    assert find(job.id, bob) is None and find("none", olga) is None
    with CaptureQueriesContext(connection) as queries:
        found = find(job.id, alice)
        assert found.owner == alice
    assert len(queries) == 1
