"""States that Celery code writes itself, from wherever it runs: read as with any worker, and they lose no task."""

import uuid

import pytest
from celery.contrib.abortable import AbortableAsyncResult
from celery.result import AsyncResult

from jobs.models import Job
from jobsite.celery import app
from tests.system.foreign.tasks import abortable, add, marks_another
from tests.system.stack import wait_for


def is_over(task_id):
    return wait_for(lambda: Job.objects.filter(id=task_id, state="SUCCESS").exists(), 30)


@pytest.mark.parametrize("queue", ["cpu", "io"])
class TestATask:
    def test_that_was_marked_as_sent_runs(self, stack, queue):
        task_id = str(uuid.uuid4())
        app.backend.store_result(task_id, None, "SENT")
        assert AsyncResult(task_id).state == "SENT"
        assert add.apply_async([1, 2], task_id=task_id, queue=queue).get(timeout=30) == 3
        assert is_over(task_id)

    def test_that_another_one_marked_runs(self, stack, queue):
        task_id = str(uuid.uuid4())
        marks_another.apply_async([task_id], queue=queue).get(timeout=30)
        assert AsyncResult(task_id).info == {"by": "another"}
        assert add.apply_async([1, 2], task_id=task_id, queue=queue).get(timeout=30) == 3

    def test_is_aborted_while_it_runs(self, stack, queue):
        result = abortable.apply_async([60], queue=queue)
        wait_for(lambda: Job.objects.filter(id=result.id, state="STARTED").exists(), 30)
        AbortableAsyncResult(result.id).abort()
        assert result.get(timeout=30) == "aborted"
        assert is_over(result.id)

    def test_is_aborted_before_it_begins(self, stack, queue):
        task_id = str(uuid.uuid4())
        AbortableAsyncResult(task_id).abort()
        assert abortable.apply_async([60], task_id=task_id, queue=queue).get(timeout=30) == "aborted"
