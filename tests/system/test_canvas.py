"""Chain, group and chord as other people's code ties them, on real workers of both pools."""

import pytest
from celery import chain, chord, group, signature
from celery.exceptions import ChordError
from celery.result import AsyncResult

from jobs.core.states import FINAL
from jobs.models import Edge, Job, Workflow
from jobs.submit import cancel
from tests.system.foreign.tasks import add, appointment, double_then_add, nap
from tests.system.stack import wait_for


def kind(slug, **params):
    return signature(f"jobs.{slug}", kwargs=params, immutable=True)


def settled(workflow, number):
    """Its jobs, once so many are there and final."""

    def found():
        jobs = list(Job.objects.filter(workflow=workflow).order_by("seq"))
        return jobs if len(jobs) == number and all(job.state in FINAL for job in jobs) else None

    return wait_for(found, 60, f"{number} jobs of {workflow}: {Workflow.objects.filter(id=workflow)}")


def edges(jobs):
    at = {job.pk: index for index, job in enumerate(jobs)}
    return {(at[edge.before_id], at[edge.after_id]) for edge in Edge.objects.filter(after__in=at)}


def test_a_chain_over_both_pools_goes_on_after_a_kinds_retry(stack):
    canvas = chain(add.s(1, 2), add.s(4), kind("flaky", failures=1, permanent=False), kind("add", x=20, y=22), add.s(1))
    result = canvas.apply_async()
    assert result.get(timeout=60) == 43
    jobs = settled(result.parent.parent.parent.parent.id, 5)
    assert [job.outcome for job in jobs] == ["3", "7", "Succeeded at attempt 2.", "42", "43"]
    assert [job.worker.split("@")[0] for job in jobs] == ["cpu", "cpu", "io", "io", "cpu"]
    assert [job.attempts.count() for job in jobs] == [1, 1, 2, 1, 1] and jobs[2].max_attempts == 4
    assert edges(jobs) == {(0, 1), (1, 2), (2, 3), (3, 4)}
    assert jobs[0].workflow.is_canvas and jobs[0].workflow.title == "add, flaky"


def test_a_group_is_one_workflow(stack):
    result = group(add.s(number, number) for number in range(5)).apply_async()
    assert result.get(timeout=60) == [0, 2, 4, 6, 8]
    assert edges(settled(result.id, 5)) == set()


def test_chords_one_within_the_other_with_kinds_in_them(stack):
    inner = chord([kind("add", x=1, y=2), chain(add.s(1, 1), add.s(2))], signature("jobs.tasks.total"))
    result = chord([inner, kind("multiply", x=6, y=7)], signature("jobs.tasks.total")).apply_async()
    assert result.get(timeout=60) == 49
    jobs = settled(result.parent.id, 6)
    outcomes = {(jobs[before].outcome, jobs[after].outcome) for before, after in edges(jobs)}
    assert outcomes == {("3", "7"), ("2", "4"), ("4", "7"), ("7", "49"), ("42", "49")}


def test_what_a_failure_or_a_cancel_leaves_out_never_ran_and_celery_says_why(stack):
    broken = chord([add.s(1, 1), appointment.s("no date", "x", fails=True)], add.si(1, 1)).apply_async()
    stopped = chord([add.s(1, 1), nap.s(60)], add.si(1, 1)).apply_async()
    wait_for(lambda: Job.objects.filter(id=stopped.parent[1].id, state="STARTED"), 30)
    cancel(Job.objects.get(id=stopped.parent[1].id))
    for result, state in ((broken, "FAILURE"), (stopped, "REVOKED")):
        with pytest.raises(ChordError):
            AsyncResult(result.id).get(timeout=60)
        *header, body = settled(result.parent.id, 3)
        assert sorted(job.state for job in header) == sorted(["SUCCESS", state])
        assert (body.id, body.state, body.error_type, body.started_at) == (result.id, "REVOKED", "Skipped", None)


def test_a_step_that_celery_revokes_before_it_starts_is_there_as_revoked(stack):
    result = chain(add.s(1, 1), add.s(1).set(expires=0), add.s(1)).apply_async()
    jobs = settled(result.parent.parent.id, 2)
    assert [job.state for job in jobs] == ["SUCCESS", "REVOKED"] and edges(jobs) == {(0, 1)}


def test_a_task_that_puts_others_in_its_place_goes_on_as_its_next_attempt(stack):
    result = chain(double_then_add.s(5, 100), add.s(1)).apply_async()
    assert result.get(timeout=60) == 111
    jobs = settled(result.parent.id, 3)
    assert [job.outcome for job in jobs] == ["110", "10", "111"] and edges(jobs) == {(1, 0), (0, 2)}
    assert list(jobs[0].attempts.values_list("number", "state")) == [(1, "RETRY"), (2, "SUCCESS")]


def test_a_kind_takes_no_result_by_position_and_says_what_to_do(stack):
    result = chain(add.s(1, 2), signature("jobs.add", kwargs={"x": 1})).apply_async()
    with pytest.raises(TypeError, match=r"add takes its parameters by name: .*\.si\(\)"):
        result.get(timeout=60)
    assert [job.state for job in settled(result.parent.id, 2)] == ["SUCCESS", "FAILURE"]


@pytest.mark.parametrize(
    ("tie", "number", "ties", "end"),
    [("chain", 3, 2, 21), ("group", 3, 0, None), ("chord", 4, 3, 14), ("nested", 4, 4, 65)],
)
def test_the_example_starts_each_sort_for_its_owner(stack, alice, tie, number, ties, end):
    started = alice.post("jobs", json={"kind": "canvas", "params": {"tie": tie, "pause": 0.1}}).json()
    (job,) = stack.wait([Job.objects.get(id=started["id"])])
    jobs = settled(AsyncResult(job.id).get(timeout=20)["workflow"], number)
    assert len(edges(jobs)) == ties
    assert {each.owner.username for each in [*jobs, jobs[0].workflow]} == {"alice"}
    if end:
        assert float(jobs[-1].outcome) == end
