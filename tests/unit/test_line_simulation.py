"""The law of the line, under hundreds of seeded histories: accepted = SUCCESS + FAILURE + REVOKED (LINE.md)."""

import json

import pytest
from django_celery_results.models import TaskResult

from jobs.core.registry import all_kinds
from jobs.core.states import FINAL
from jobs.models import Attempt, Job
from jobs.wire import keys
from jobs.wire.connection import redis_client
from tests.unit.line_world import World

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def world_does_not_wait(monkeypatch):
    """The keeper of this world moves only when the die says so: waiting for it is in vain."""
    monkeypatch.setattr("jobs.submit.live.RECORD_WAITS", 0.0)


@pytest.fixture(autouse=True)
def kinds():
    import tests.system.foreign.kinds  # noqa: F401  the kind that must never be repeated

    all_kinds.cache_clear()
    yield
    all_kinds.cache_clear()


@pytest.mark.parametrize("seed", range(40))
def test_no_history_loses_doubles_or_misreports_a_job(seed):
    world = World(seed)
    world.reader.step(0.001)
    for _ in range(60):
        world.step()
    world.settle()
    for job in Job.objects.filter(id__in=world.jobs):
        assert job.state in FINAL
        numbers = list(Attempt.objects.filter(job=job).order_by("number").values_list("number", flat=True))
        assert numbers == sorted(set(numbers)), "an attempt recorded twice"
        if job.id in world.successes:
            assert job.state == "SUCCESS", "a success that a worker reported is never lost"
        if job.state == "SUCCESS":
            assert job.id in world.successes, "no success that nobody reported"
        assert_told_alike(job)
        if job.kind == "once" and job.id not in world.retried:
            assert sum(claim.job == job.id for claim in world.claims) <= 1, "not idempotent, and run twice"


def assert_told_alike(job):
    """SQL's row, django-celery-results and Celery's own key say the same."""
    result = TaskResult.objects.filter(task_id=job.id).first()
    if result is not None:
        assert result.status == job.state
    stored = redis_client().get(keys.result(job.id))
    if stored is not None and job.state != "REVOKED":
        assert json.loads(stored)["status"] == job.state
