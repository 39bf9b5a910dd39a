"""Limits per kind and unique jobs, kept by dispatch; and priorities that overtake (LINE 15)."""

from jobs.models import Job
from jobs.submit import cancel, submit, submit_many
from tests.system.stack import at_best, wait_for


def most_at_once(jobs):
    """The largest number of these that ran at the same moment."""
    moments = sorted([(job.started_at, 1) for job in jobs] + [(job.finished_at, -1) for job in jobs])
    running = most = 0
    for _, change in moments:
        running += change
        most = max(most, running)
    return most


def test_a_kind_runs_at_most_so_often_at_a_time_across_workers(stack):
    jobs = stack.wait(submit_many("two-at-a-time", [{}] * 10), 60)
    assert all((job.state, job.attempt) == ("SUCCESS", 1) for job in jobs)
    assert most_at_once(jobs) <= 2


def test_a_kind_starts_at_most_so_often_a_second(stack):
    jobs = stack.wait(submit_many("rated", [{"seconds": 0}] * 16), 60)
    released = sorted(job.published_at for job in jobs)
    assert all((later - earlier).total_seconds() > 0.7 for earlier, later in zip(released, released[5:], strict=False))


def test_a_waiting_job_of_a_limited_kind_is_cancelled_at_once(stack):
    jobs = Job.objects.filter(id__in=[job.id for job in submit_many("two-at-a-time", [{"seconds": 30}] * 4)])
    wait_for(lambda: jobs.filter(state="STARTED").count() == 2, 20)
    waiting = jobs.filter(published_at=None).first()
    assert cancel(waiting).state == "REVOKED"
    for job in jobs.exclude(pk=waiting.pk):
        cancel(job)
    stack.wait(jobs, 60)


def test_the_keeper_killed_lets_nobody_in_twice(stack):
    jobs = submit_many("two-at-a-time", [{}] * 8)
    stack.kill("keeper")
    stack.start("keeper")
    jobs = stack.wait(jobs, 60)
    assert all((job.state, job.attempt) == ("SUCCESS", 1) for job in jobs)
    assert most_at_once(jobs) <= 2


def test_the_second_of_two_like_jobs_is_answered_with_the_first(stack):
    first = submit("only-once", {"name": "a", "seconds": 30})
    assert submit("only-once", {"name": "a"}).id == first.id
    other = submit("only-once", {"name": "b", "seconds": 0})
    assert other.id != first.id
    cancel(first)
    # However one has ended, the next is a job of its own.
    for last in stack.wait([first, other]):
        again = submit("only-once", {**last.params, "seconds": 0})
        assert again.id != last.id
        stack.wait([again])


def test_an_urgent_job_is_next_before_a_thousand_low_ones(stack):
    def earlier():
        """How many of the low ones start before it."""
        stack.kill("cpu", 15)
        low = submit_many("compute", [{"below": 10}] * 1000, priority="low")
        urgent = submit("compute", {"below": 10}, priority="urgent")
        stack.start("cpu")
        (urgent,) = stack.wait([urgent])
        low = stack.wait(low, 120)
        assert stack.before(urgent, low) <= 2
        return sum(job.started_at < urgent.started_at for job in low)

    # Celery's consumer takes one message ahead for each child: 4 in all.
    at_best(earlier, 5, "low jobs before the urgent one")
