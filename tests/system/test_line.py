"""Jobs on real workers of both pools: every way a job can go while nothing breaks."""

import json
import time

from celery import Celery
from celery.result import AsyncResult
from django.conf import settings
from django_celery_results.models import TaskResult

from jobs.core.errors import Conflict
from jobs.submit import cancel, rerun, retry, submit, submit_many
from jobs.submit.foreign import submit_task
from tests.system.foreign.gates import let_on
from tests.system.stack import at_best, wait_for


def attempts(job):
    return list(job.attempts.values_list("number", "state"))


def totals(stack, job_id):
    """The totals of the progress that was told before the job's end."""
    told = stack.told(job_id)
    end = [event["t"] for event in told].index("SUCCESS")
    return {event["p"]["total"] for event in told[:end] if event["t"] == "PROGRESS"}


def test_a_job_of_each_pool_succeeds_and_is_recorded_once(stack):
    io, cpu = stack.wait([submit("add", {"x": 2, "y": 3}), submit("compute", {"below": 1000})])
    assert (io.state, io.outcome, io.worker.split("@")[0]) == ("SUCCESS", "5.0", "io")
    assert (cpu.state, cpu.worker.split("@")[0]) == ("SUCCESS", "cpu")
    assert attempts(io) == attempts(cpu) == [(1, "SUCCESS")]
    assert io.created <= io.published_at <= io.started_at <= io.finished_at
    attempt = cpu.attempts.get()
    assert attempt.memory > 10_000_000 and attempt.pid
    row = TaskResult.objects.get(task_id=io.id)
    assert (row.status, row.result, row.task_name) == ("SUCCESS", "5.0", "jobs.add")


def test_a_bare_celery_client_reads_state_and_result(stack):
    done, failed = stack.wait([submit("add", {"x": 1, "y": 1}), submit("flaky", {"permanent": True})])
    client = Celery(backend=settings.REDIS_URL, broker=settings.REDIS_URL, set_as_current=False)
    assert AsyncResult(done.id, app=client).get(timeout=5) == 2.0
    assert AsyncResult(failed.id, app=client).state == "FAILURE"
    assert "asked to fail" in str(AsyncResult(failed.id, app=client).result)


def test_progress_and_log_are_seen_while_it_runs(stack):
    job = submit("stepped", {"gate": "seen", "steps": 8})
    let_on("seen")
    progress = wait_for(lambda: stack.redis().hget(f"jobsite:run:{job.id}", "progress"), 20, "progress")
    assert '"total": 8' in progress
    let_on("seen", 8)
    (job,) = stack.wait([job])
    assert totals(stack, job.id) == {8}
    assert [line.text for line in job.log.all()] == [str(n) for n in range(1, 9)]


def test_a_failure_that_passes_is_retried_each_attempt_with_its_own_error(stack):
    (job,) = stack.wait([submit("flaky", {"failures": 2})])
    assert job.state == "SUCCESS"
    assert attempts(job) == [(1, "RETRY"), (2, "RETRY"), (3, "SUCCESS")]
    first, second, third = job.attempts.all()
    assert "Failure 1 of 2" in first.error and "Failure 2 of 2" in second.error and third.error == ""
    assert "Temporary" in first.traceback
    assert first.finished_at < first.next_retry_at <= second.started_at


def test_retries_end_as_failure_with_the_last_error(stack):
    (job,) = stack.wait([submit("always-fails", {})])
    assert (job.state, job.error) == ("FAILURE", "attempt 3 failed")
    assert attempts(job) == [(1, "RETRY"), (2, "RETRY"), (3, "FAILURE")]


def test_a_person_retries_a_failed_job_and_it_counts_on(stack):
    (job,) = stack.wait([submit("flaky", {"failures": 5})])
    assert job.state == "FAILURE" and job.attempt == 4
    retry(job)
    (job,) = stack.wait([job])
    assert job.state == "SUCCESS"
    assert [number for number, _ in attempts(job)] == [1, 2, 3, 4, 5, 6]
    try:
        retry(job)
    except Conflict as conflict:
        assert conflict.state == "SUCCESS"
    else:
        raise AssertionError("a succeeded job was retried")


def test_a_rerun_is_a_new_job_linked_to_the_old(stack):
    (old,) = stack.wait([submit("add", {"x": 1, "y": 2})])
    (new,) = stack.wait([rerun(old, params={"y": 40})])
    assert new.id != old.id and new.rerun_of_id == old.pk and new.outcome == "41.0"


def test_a_job_runs_at_its_due_time_and_not_before(stack):
    from datetime import timedelta

    from django.utils import timezone

    now = timezone.now()
    jobs = stack.wait([submit("add", {}, due_at=now + timedelta(seconds=seconds)) for seconds in (3, 4, 5)])
    late = [(job.started_at - job.due_at).total_seconds() for job in jobs]
    assert 0 <= min(late) < 3, late  # a pause of the machine is late for one of them


def test_cancelling_what_waits_takes_no_worker(stack):
    from datetime import timedelta

    from django.utils import timezone

    job = submit("add", {}, due_at=timezone.now() + timedelta(hours=1))
    assert job.shown == "scheduled"
    assert cancel(job).state == "REVOKED"


def test_cancelling_what_queues_ends_it_before_any_worker_has_it(stack):
    stack.kill("cpu", 15)
    job = submit("compute", {})
    wait_for(lambda: stack.redis().hget(f"jobsite:run:{job.id}", "phase") == "queued", 10)
    job = cancel(job)
    assert job.state == "REVOKED"
    stack.start("cpu")
    other = submit("compute", {"below": 1000})
    stack.wait([other])
    assert stack.job(job.id).state == "REVOKED" and stack.job(job.id).started_at is None


def test_cancelling_what_runs_is_confirmed_by_its_worker_on_each_pool(stack):
    jobs = [submit("sleep", {"seconds": 120}), submit("cpu-nap", {"seconds": 120})]
    for job in jobs:
        stack.running(job)
    asked = time.monotonic()
    for job in jobs:
        cancel(job)
    jobs = stack.wait(jobs, 20)
    assert time.monotonic() - asked < 15
    assert [job.state for job in jobs] == ["REVOKED", "REVOKED"]
    assert [job.attempts.get().state for job in jobs] == ["REVOKED", "REVOKED"]
    # The workers go on.
    stack.wait([submit("add", {}), submit("compute", {"below": 100})])


def test_time_limits_hold_on_each_pool(stack):
    jobs = stack.wait([submit("limited", {}), submit("cpu-limited", {})], 40)
    assert [job.state for job in jobs] == ["FAILURE", "FAILURE"]
    assert all("took longer than 1 s" in job.error for job in jobs)
    assert all((job.finished_at - job.started_at).total_seconds() < 8 for job in jobs)


def test_sql_in_the_io_pool_is_refused_with_the_reason(stack):
    (job,) = stack.wait([submit("query", {})])
    assert job.state == "FAILURE" and "no SQL in the io pool" in job.error


def test_many_jobs_are_accepted_all_or_none_and_all_run(stack):
    from jobs.core.errors import Refused
    from jobs.models import Job

    before = Job.objects.count()
    try:
        submit_many("add", [{"x": 1}, {"x": "one"}, {"z": 1}])
    except Refused as refused:
        assert set(refused.errors) == {"items[1].x", "items[2].z"}
    assert Job.objects.count() == before
    jobs = stack.wait(submit_many("add", [{"x": n, "y": 1} for n in range(300)]), 60)
    assert [job.outcome for job in jobs] == [f"{n + 1}.0" for n in range(300)]


def test_urgent_jobs_overtake(stack):
    def earlier():
        """How many of the low ones start before it."""
        stack.kill("cpu", 15)
        low = [submit("compute", {"below": 2_000_000}, priority="low") for _ in range(6)]
        urgent = submit("compute", {"below": 10}, priority="urgent")
        stack.start("cpu")
        urgent, *low = stack.wait([urgent, *low])
        assert stack.before(urgent, low) <= 1
        return sum(job.started_at < urgent.started_at for job in low)

    at_best(earlier, 3, "low jobs before the urgent one")


class TestOtherPeoplesTasks:
    def test_is_recorded_with_its_arguments(self, stack):
        from tests.system.foreign.tasks import add

        result = add.delay(3, y=4)
        assert result.get(timeout=20) == 7
        job = wait_for(lambda: self.recorded(result.id, "SUCCESS"), 20)
        assert (job.kind, job.is_kind, job.queue, job.via) == ("tests.system.foreign.tasks.add", False, "cpu", "celery")
        assert job.params == {"args": [3], "kwargs": {"y": 4}}

    def test_one_that_ignores_its_result_is_recorded_all_the_same(self, stack):
        from tests.system.foreign.tasks import forgetful

        result = forgetful.delay(1)
        wait_for(lambda: self.recorded(result.id, "SUCCESS"), 20)

    def test_progress_is_understood_and_fools_nobody(self, stack, tmp_path):
        from tests.system.foreign.tasks import with_progress

        result = with_progress.delay(5, str(tmp_path / "done"))
        wait_for(lambda: '"total": 5' in (stack.redis().hget(f"jobsite:run:{result.id}", "progress") or ""), 20)
        (tmp_path / "done").touch()
        assert result.get(timeout=20) == {"SUCCESS": 5}
        wait_for(lambda: self.recorded(result.id, "SUCCESS"), 20)
        assert totals(stack, result.id) == {5}

    def test_each_of_its_retries_is_an_attempt(self, stack):
        from tests.system.foreign.tasks import stubborn

        result = stubborn.delay(2)
        assert result.get(timeout=30) == 2
        job = self.succeeded_at_third(result.id)
        assert "failure 1" in job.attempts.get(number=1).error

    def test_one_that_ignores_its_result_and_is_retried_is_not_taken_for_lost(self, stack):
        from tests.system.foreign.tasks import stubborn_and_forgetful

        self.succeeded_at_third(stubborn_and_forgetful.delay(2).id)

    def test_one_that_ends_itself_without_a_result_has_ended(self, stack):
        from tests.system.foreign.tasks import fails_by_hand, gives_up

        given_up, by_hand = gives_up.delay("nobody needs it"), fails_by_hand.delay()
        job = wait_for(lambda: self.recorded(given_up.id, "REVOKED"), 20)
        assert job.error == "The task ended itself without a result: it raised Ignore."
        wait_for(lambda: self.recorded(by_hand.id, "FAILURE"), 20)

    def test_one_that_puts_itself_back_into_its_queue_runs_again(self, stack):
        from tests.system.foreign.tasks import puts_itself_back

        result = puts_itself_back.delay()
        assert result.get(timeout=20) == 0
        job = wait_for(lambda: self.recorded(result.id, "SUCCESS"), 20)
        assert attempts(job) == [(1, "RETRY"), (2, "SUCCESS")]

    def test_is_cancelled_while_it_runs(self, stack):
        from tests.system.foreign.tasks import nap

        result = nap.delay(60)
        job = wait_for(lambda: self.recorded(result.id, "STARTED"), 20)
        cancel(job)
        wait_for(lambda: self.recorded(result.id, "REVOKED"), 20)

    def test_secrets_in_arguments_are_masked_in_our_records(self, stack):
        from tests.system.foreign.tasks import tell_secret

        for result in (tell_secret.delay(password="hunter2"), tell_secret.delay("hunter2")):
            job = wait_for(lambda: self.recorded(result.id, "SUCCESS"), 20)  # noqa: B023 - asked at once
            assert "hunter2" not in str(job.params)
            row = TaskResult.objects.get(task_id=job.id)
            assert "hunter2" not in row.task_kwargs + row.task_args

    def test_submitted_here_it_gets_typed_arguments_and_secrets_in_clear(self, stack):
        name = "tests.system.foreign.tasks.appointment"
        job = submit_task(name, ["2030-01-31T07:00:00+01:00"], {"password": "hunter2"})
        (job,) = stack.wait([job])
        assert json.loads(TaskResult.objects.get(task_id=job.id).result)[0] == "datetime"
        assert job.outcome.startswith('["datetime", "2030-01-31T07:00:00+01:00"')
        assert "hunter2" not in str(job.params) + TaskResult.objects.get(task_id=job.id).task_kwargs
        (again,) = stack.wait([rerun(job, params={"fails": True})])
        assert (again.state, again.error) == ("FAILURE", "07:00 7")

    def test_a_person_retries_it_with_what_celery_code_sent(self, stack):
        from datetime import UTC, datetime

        from tests.system.foreign.tasks import fail_at

        result = fail_at.delay(datetime(2030, 1, 31, 7, tzinfo=UTC))
        job = wait_for(lambda: self.recorded(result.id, "FAILURE"), 20)
        (job,) = stack.wait([retry(job)])
        assert [(each.state, each.error) for each in job.attempts.all()] == [("FAILURE", "datetime 07:00")] * 2

    def test_one_whose_secrets_were_masked_is_not_retried(self, stack):
        from tests.system.foreign.tasks import appointment

        result = appointment.delay("no date", password="hunter2", fails=True)
        job = wait_for(lambda: self.recorded(result.id, "FAILURE"), 20)
        try:
            retry(job)
        except Conflict as conflict:
            assert "masked" in str(conflict)
        else:
            raise AssertionError("a job was retried with masked arguments")

    @staticmethod
    def recorded(job_id, state):
        from jobs.models import Job

        return Job.objects.filter(id=job_id, state=state).first()

    def succeeded_at_third(self, job_id):
        """The job. Celery sends the next attempt before it tells of the one that failed, so that may be known last."""
        job = wait_for(lambda: self.recorded(job_id, "SUCCESS"), 20)
        wait_for(lambda: attempts(job) == [(1, "RETRY"), (2, "RETRY"), (3, "SUCCESS")], 20, "its three attempts")
        return job


def test_what_a_task_logs_and_prints_is_kept_with_its_attempt(stack):
    from tests.system.foreign.tasks import talk

    result = talk.delay()
    job = wait_for(lambda: TestOtherPeoplesTasks.recorded(result.id, "SUCCESS"), 20)
    assert [line.text for line in job.log.all()] == ["printed", "WARNING: logged"]


def test_a_message_for_a_kind_that_no_worker_knows_waits_instead_of_failing(stack):
    from jobs.models import Job
    from jobs.submit.submission import publish_now

    job = Job.objects.create(kind="of-tomorrow", title="Of tomorrow", queue="io")
    publish_now([job])
    wait_for(lambda: stack.job(job.id).published_at, 20)
    stack.wait([submit("add", {})])
    assert stack.job(job.id).state == "PENDING"
    cancel(job)
    assert stack.job(job.id).state == "REVOKED"
