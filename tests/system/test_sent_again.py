"""Ids that Celery code sends again, and what else it allows: told as Celery means it, on real workers."""

import json
import uuid

import pytest
from billiard.exceptions import WorkerLostError
from celery import chain, chord
from celery.exceptions import ChordError, Reject, TaskRevokedError
from celery.result import AsyncResult
from django_celery_results.models import TaskResult

from jobs.core.errors import Conflict
from jobs.models import Attempt, Job
from jobs.submit import cancel, retry
from jobsite.celery import app
from tests.system.foreign.tasks import (
    add,
    appointment,
    counted,
    dies,
    dies_at_first,
    forgetful,
    gives_up,
    nap,
    not_a_number,
    puts_itself_back,
    rejects,
    starts_others,
    stubborn,
    too_slow_at_first,
)  # fmt: skip
from tests.system.stack import wait_for


def ended(job_id, attempt=1):
    """The job once its attempt is recorded as final."""

    def found():
        job = Job.objects.filter(id=job_id).first()
        return job if job and job.is_final and job.attempt == attempt else None

    return wait_for(found, 60, f"{job_id} to end: {Job.objects.filter(id=job_id).values('state', 'attempt')}")


def attempts(job):
    return list(Attempt.objects.filter(job=job).order_by("number").values_list("number", "state"))


@pytest.fixture
def name():
    return f"order-{uuid.uuid4().hex[:8]}"


class TestAnIdThatIsSentAgain:
    @pytest.mark.parametrize("queue", ["cpu", "io"])
    def test_runs_again_and_its_result_is_replaced(self, stack, name, queue):
        for number in (1, 2, 3):
            result = counted.apply_async([name], task_id=name, queue=queue)
            job = ended(name, number)
            assert (job.state, job.outcome) == ("SUCCESS", str(number))
            assert result.get(timeout=10) == number
            assert json.loads(TaskResult.objects.get(task_id=name).result) == number
        assert attempts(job) == [(1, "SUCCESS"), (2, "SUCCESS"), (3, "SUCCESS")]

    def test_after_a_failure_succeeds_and_after_a_success_fails(self, stack, name):
        counted.apply_async([name], {"fails": True}, task_id=name)
        assert ended(name).error == "run 1 failed"
        counted.apply_async([name], task_id=name)
        job = ended(name, 2)
        assert (job.state, job.error, job.outcome) == ("SUCCESS", "", "2")
        counted.apply_async([name], {"fails": True}, task_id=name)
        job = ended(name, 3)
        assert (job.state, job.outcome) == ("FAILURE", "") and "run 3 failed" in job.error

    def test_after_forget_is_waited_for_anew(self, stack, name):
        assert counted.apply_async([name], task_id=name).get(timeout=30) == 1
        ended(name)
        AsyncResult(name).forget()
        assert counted.apply_async([name], task_id=name).get(timeout=30) == 2

    def test_while_it_is_unfinished_waits_for_its_end(self, stack, name):
        for _ in range(3):
            counted.apply_async([name, 1.0], task_id=name)
        job = ended(name, 3)
        assert (job.outcome, attempts(job)) == ("3", [(1, "SUCCESS"), (2, "SUCCESS"), (3, "SUCCESS")])

    def test_with_other_arguments_is_shown_with_those(self, stack, name):
        add.apply_async([1, 2], task_id=name)
        ended(name)
        add.apply_async([30, 40], task_id=name, queue="io", priority=3)
        job = ended(name, 2)
        assert (job.outcome, job.params["args"], job.queue, job.priority) == ("70", [30, 40], "io", 3)

    def test_with_retries_of_its_own_counts_them_on(self, stack, name):
        for expected in (3, 6):
            stubborn.apply_async([2], task_id=name)
            job = ended(name, expected)
            assert job.outcome == "2"
        assert [state for _, state in attempts(job)] == ["RETRY", "RETRY", "SUCCESS"] * 2

    def test_long_after_redis_has_forgotten_it(self, stack, name):
        counted.apply_async([name], task_id=name)
        ended(name)
        stack.redis().delete(f"jobsite:run:{name}")
        counted.apply_async([name, 1.0], task_id=name)
        job = ended(name, 2)
        assert (job.state, attempts(job)) == ("SUCCESS", [(1, "SUCCESS"), (2, "SUCCESS")])
        assert stack.redis().hget(f"jobsite:run:{name}", "attempt") == "2"
        stack.redis().delete(f"jobsite:run:{name}")
        stubborn.apply_async([1], task_id=name)
        assert [state for _, state in attempts(ended(name, 4))] == ["SUCCESS", "SUCCESS", "RETRY", "SUCCESS"]

    def test_delivered_twice_runs_once(self, stack, name):
        """The very same message, as a broker hands it out again."""
        stack.kill("cpu")
        counted.apply_async([name], task_id=name, queue="cpu")
        text = wait_for(lambda: next((t for key in ("cpu", "cpu\x06\x166") for t in stack.redis().lrange(key, 0, -1)
                                      if name in t), None), 10)  # fmt: skip
        for key in ("cpu", "cpu\x06\x166"):
            if text in stack.redis().lrange(key, 0, -1):
                stack.redis().lpush(key, text)
        stack.start("cpu")
        assert ended(name).outcome == "1"
        add.apply_async([1, 1], queue="cpu").get(timeout=30)  # behind the copy
        assert stack.redis().get(f"test:runs:{name}") == "1"

    def test_after_a_person_retried_it(self, stack, name):
        counted.apply_async([name], {"fails": True}, task_id=name)
        retry(ended(name))
        ended(name, 2)
        counted.apply_async([name], task_id=name)
        assert ended(name, 3).outcome == "3"

    def test_after_it_was_cancelled(self, stack, name):
        counted.apply_async([name, 60.0], task_id=name)
        wait_for(lambda: Job.objects.filter(id=name, state="STARTED").exists(), 30)
        cancel(Job.objects.get(id=name))
        assert ended(name).state == "REVOKED"
        stack.redis().delete(f"test:at-once:{name}")
        counted.apply_async([name], task_id=name)
        assert ended(name, 2).state == "SUCCESS"


class TestWhatWaits:
    """Celery code sent it, and no worker has begun it: it is told to who asks for its id."""

    @staticmethod
    def asked(api, job_id):
        answer = api.get(f"jobs/{job_id}")
        return answer.json() if answer.status_code == 200 else {}

    def test_for_its_time_is_scheduled(self, stack, api, name):
        add.apply_async([1, 2], task_id=name, countdown=8)
        job = wait_for(lambda: self.asked(api, name), 20)
        assert (job["state"], job["shown"], job["queue"]) == ("PENDING", "scheduled", "cpu")
        assert ended(name).outcome == "3"

    def test_in_a_queue_is_queued_with_its_arguments_and_stays_where_it_is(self, stack, api, name):
        add.apply_async([1, 2], task_id=name, queue="celery", priority=3)
        job = self.asked(api, name)
        assert (job["state"], job["shown"], job["queue"], job["kind"]) == ("PENDING", "queued", "celery", add.name)
        assert Job.objects.get(id=name).params["args"] == [1, 2] and Job.objects.get(id=name).next_check_at is None

    def test_cancelled_before_it_starts_never_runs_and_its_client_hears_of_it(self, stack, api, name):
        result = counted.apply_async([name], task_id=name, countdown=8)
        wait_for(lambda: self.asked(api, name), 20)
        cancel(Job.objects.get(id=name))
        assert ended(name).state == "REVOKED"
        with pytest.raises(TaskRevokedError):
            result.get(timeout=20)
        wait_for(lambda: not stack.redis().hget(f"jobsite:run:{name}", "awaits"), 30, "its message to be dropped")
        assert stack.redis().get(f"test:runs:{name}") is None
        counted.apply_async([name], task_id=name)
        assert ended(name, 2).outcome == "1", "the next one runs"

    def test_of_a_chord_is_its_body_while_the_header_runs_and_once_it_has_failed(self, stack, api, name):
        result = chord([nap.si(6), appointment.si("no date", "x", fails=True)], add.si(1, 1)).apply_async()
        job = wait_for(lambda: self.asked(api, result.id), 20)
        assert (job["state"], job["kind"]) == ("PENDING", add.name)
        job = ended(result.id)
        assert (job.state, job.error_type) == ("REVOKED", "Skipped") and "It never ran" in job.error

    def test_is_not_looked_for_by_those_who_may_not_see_it(self, stack, alice, name):
        add.apply_async([1, 2], task_id=name, countdown=2)
        assert alice.get(f"jobs/{name}").status_code == 404


class TestReject:
    @pytest.mark.parametrize("queue", ["cpu", "io"])
    def test_with_requeue_comes_back_as_redelivered(self, stack, queue):
        result = puts_itself_back.apply_async(queue=queue)
        assert result.get(timeout=30) == 0
        assert attempts(ended(result.id, 2)) == [(1, "RETRY"), (2, "SUCCESS")]

    @pytest.mark.parametrize("queue", ["cpu", "io"])
    def test_without_is_a_failure_that_clients_and_errbacks_hear_of(self, stack, name, queue):
        result = rejects.apply_async(["no"], queue=queue, link_error=counted.si(name).set(task_id=name))
        with pytest.raises(Reject):
            result.get(timeout=30)
        job = ended(result.id)
        assert (job.state, job.error_type) == ("FAILURE", "Reject")
        assert ended(name).outcome == "1"

    def test_without_fails_the_chord_that_it_is_in(self, stack):
        result = chord([add.si(1, 1), rejects.si("no")], add.si(1, 1)).apply_async()
        with pytest.raises(ChordError):
            AsyncResult(result.id).get(timeout=30)


class TestWhatNeverRan:
    def test_keeps_what_it_was_called_with_and_is_no_failure(self, stack):
        result = chain(
            add.s(1, 1), appointment.si("no date", "x", fails=True), add.si(3, 4).set(queue="io", priority=9)
        ).apply_async()
        job = ended(result.id)
        assert (job.state, job.error_type, job.queue, job.priority) == ("REVOKED", "Skipped", "io", 9)
        assert job.params["args"] == [3, 4] and job.started_at is None
        flow = ended(result.parent.id).workflow_id
        wait_for(lambda: Job.objects.filter(workflow=flow).count() == 3, 20)
        assert Job.objects.filter(workflow=flow, state="FAILURE").count() == 1
        assert AsyncResult(result.id).state == "FAILURE", "Celery's own word to its clients"
        retry(job)
        assert ended(result.id, 2).outcome == "7"

    def test_expired_keeps_its_queue_and_can_be_retried(self, stack):
        result = add.apply_async([5, 6], expires=-1, queue="io", priority=3)
        job = ended(result.id)
        assert (job.state, job.queue, job.priority, job.params["args"]) == ("REVOKED", "io", 3, [5, 6])
        retry(job)
        assert ended(result.id, 2).outcome == "11"

    def test_that_takes_the_result_before_it_says_why_it_is_not_retried(self, stack):
        result = chain(appointment.si("no date", "x", fails=True), add.s(1)).apply_async()
        with pytest.raises(Conflict, match="result of the one before it"):
            retry(ended(result.id))


class TestARetryAfterARevoke:
    @pytest.mark.parametrize("queue", ["cpu", "io"])
    def test_of_celerys_own_runs(self, stack, queue):
        result = nap.apply_async([20], queue=queue)
        wait_for(lambda: Job.objects.filter(id=result.id, state="STARTED").exists(), 30)
        app.control.revoke(result.id, terminate=True)
        job = ended(result.id)
        assert job.state == "REVOKED"
        Job.objects.filter(id=job.id).update(params={"args": [0.1], "kwargs": {}})
        retry(Job.objects.get(id=job.id))
        assert ended(result.id, 2).state == "SUCCESS"


class TestResults:
    def test_that_are_ignored_leave_no_trace_for_clients(self, stack):
        for result in (forgetful.delay(1), gives_up.delay("enough")):
            ended(result.id)
            assert stack.redis().get(f"celery-task-meta-{result.id}") is None
            assert AsyncResult(result.id).state == "PENDING"

    def test_that_are_no_numbers_are_valid_json(self, stack, api):
        result = not_a_number.delay()
        ended(result.id)
        assert api.get(f"jobs/{result.id}").json()["result"] == {"mean": "NaN", "most": "Infinity"}
        json.loads(TaskResult.objects.get(task_id=result.id).result, parse_constant=pytest.fail)

    def test_that_are_long_stay_valid_json_and_children_are_read_by_their_own_reader(self, stack):
        from django_celery_results.backends.database import DatabaseBackend

        result = starts_others.delay()
        ended(result.id)
        row = TaskResult.objects.get(task_id=result.id)
        assert "characters left out" in json.loads(row.result)
        meta = DatabaseBackend(app).get_task_meta(result.id)
        children = [AsyncResult(each[0][0]) for each in meta["children"]]
        assert [child.get(timeout=20) for child in children] == [3]


class TestATaskWhoseProcessDies:
    def test_runs_again_where_it_wishes_so(self, stack, name):
        result = dies_at_first.apply_async([name, 2], queue="cpu")
        assert result.get(timeout=60) == [3, True]
        job = ended(result.id, 3)
        assert attempts(job) == [(1, "RETRY"), (2, "RETRY"), (3, "SUCCESS")]

    def test_runs_again_where_a_person_sent_it(self, stack, api, name):
        body = {"task": "tests.system.foreign.tasks.dies_at_first", "args": [name, 1]}
        job = ended(api.post("/jobs", json=body).json()["id"], 2)
        assert (job.state, job.outcome) == ("SUCCESS", "[2, true]")

    def test_has_failed_otherwise_by_the_error_that_celery_has_for_it(self, stack, name):
        result = dies.apply_async(queue="cpu")
        with pytest.raises(WorkerLostError):
            result.get(timeout=60)
        job = ended(result.id)
        assert (job.state, job.error_type, attempts(job)) == ("FAILURE", "WorkerLostError", [(1, "FAILURE")])
        assert result.state == "FAILURE" and "WorkerLostError" in repr(result.result)

    def test_or_is_ended_in_time_runs_again_where_it_wishes_so(self, stack, name):
        result = too_slow_at_first.apply_async([name], queue="cpu")
        job = ended(result.id, 2)
        assert (job.state, attempts(job)) == ("SUCCESS", [(1, "FAILURE"), (2, "SUCCESS")])
        wait_for(lambda: AsyncResult(result.id).state == "SUCCESS", 10)
