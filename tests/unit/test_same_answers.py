"""Whoever asks just after an end, while SQL is still to have it, hears the same as who asks afterwards: of every web
process, as one job and as a row of the list. Redis' scripts, the keeper and SQL are the real ones."""

import json
import time

import pytest
from django.contrib.auth import get_user_model

from jobs.core.states import State
from jobs.models import ApiToken, Job
from jobs.submit import cancel, submit
from jobs.wire import celery_result, events, keys, scripts
from jobs.wire.connection import redis_client
from tests.unit.edge_serving import serving
from tests.unit.workflow_hands import Hands

pytestmark = pytest.mark.django_db(transaction=True)


def said(token, job):
    """What a web process that knows nothing yet answers of a job, and as a row of the list."""
    with serving() as served, served.client(token) as client:
        one = client.get(f"/api/v1/jobs/{job.id}")
        rows = client.get("/api/v1/jobs").json()["items"]
    assert one.status_code == 200, one.text
    return {**one.json(), "age": None}, next(row for row in rows if row["id"] == job.id)


def claimed(hands, job):
    [(job_id, attempt)] = hands.take()
    started = events.encode(State.STARTED, job_id, attempt, worker="io@here")
    verdict, _ = scripts.call(
        redis_client(), "claim", [keys.run(job.id), keys.EVENTS, keys.result(job.id)],
        [attempt, "w", "io@here", started, "{}", "0", 1000, job.id, "", ""],
    )  # fmt: skip
    assert verdict == "ok"


def reported(job, state, phase, **fields):
    event = events.encode(state, job.id, 1, worker="io@here", **fields)
    scripts.call(
        redis_client(), "report", [keys.run(job.id), keys.EVENTS, keys.result(job.id), keys.CANCELS, keys.PAUSES],
        [1, "w", str(state), phase, event, celery_result.encode(job.id, state, None), 1000, 1000, job.id],
    )  # fmt: skip


ENDS = {
    "success": (State.SUCCESS, "final", {"result": json.dumps({"answer": 42, "ratio": 0.5})}),
    "success with NaN": (State.SUCCESS, "final", {"result": "[NaN, 1e400]"}),
    "success without a result": (State.SUCCESS, "final", {}),
    "failure": (State.FAILURE, "final", {"error_type": "ValueError", "error": "no such thing\nsecond line"}),
    "revoked": (State.REVOKED, "final", {"error_type": "Cancelled", "error": "by somebody"}),
    "retry": (State.RETRY, "retry", {"error_type": "OSError", "error": "away", "next": time.time() + 300}),
}


@pytest.mark.parametrize("recorded_first", [False, True], ids=["at once", "once SQL knows the beginning"])
@pytest.mark.parametrize("end", ENDS)
def test_of_an_end(end, recorded_first):
    user = get_user_model().objects.create_user("ann")
    _, token = ApiToken.make(user, "program")
    hands = Hands()
    job = submit("add", {"x": 1, "y": 2}, user=user)
    claimed(hands, job)
    if recorded_first:
        while hands.reader.step(0.001):
            pass
    state, phase, fields = ENDS[end]
    reported(job, state, phase, **fields)
    before = said(token, job)
    while hands.reader.step(0.001):
        pass
    assert Job.objects.get(pk=job.pk).state == state
    after = said(token, job)
    assert before == after


def test_of_a_cancel_before_the_start():
    user = get_user_model().objects.create_user("ann")
    _, token = ApiToken.make(user, "program")
    hands = Hands()
    job = submit("add", {"x": 1, "y": 2}, user=user)
    cancel(job)
    before = said(token, job)
    while hands.reader.step(0.001):
        pass
    assert said(token, job) == before
