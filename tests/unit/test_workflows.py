"""Workflows: what waits for what, what flows from step to step, how they end (LINE 10)."""

import json

import pytest
from django import forms
from django_celery_results.models import TaskResult

from jobs.core.errors import Conflict
from jobs.core.kind import Kind
from jobs.core.registry import all_kinds
from jobs.core.states import State
from jobs.foreign.task import call_of
from jobs.models import Artifact, Edge, Workflow
from jobs.submit import cancel, retry, submit
from jobs.wire import keys
from jobs.wire.connection import redis_client
from jobs.workflows import steer
from jobs.workflows.build import submit_workflow
from jobs.workflows.outlook import graph_of, outlooks
from tests.unit import foreign_tasks
from tests.unit.job_rows import alice, users  # noqa: F401  fixtures
from tests.unit.workflow_hands import Hands

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def world_does_not_wait(monkeypatch):
    """The keeper of these tests moves only when it is told to."""
    monkeypatch.setattr("jobs.submit.live.RECORD_WAITS", 0.0)


@pytest.fixture
def hands():
    return Hands()


def add(x, y, **more):
    return {"kind": "add", "params": {"x": x, "y": y}, **more}


def multiply(x, y, **more):
    return {"kind": "multiply", "params": {"x": x, "y": y}, **more}


def look(workflow):
    (outlook,) = outlooks([workflow])
    return outlook


def job_of(workflow, title):
    return workflow.jobs.get(title=title)


def result_of(job):
    return json.loads(TaskResult.objects.get(task_id=job.id).result)


def test_results_flow_along_a_chain(hands):
    workflow = submit_workflow(
        {"chain": [add(2, 3, title="a"), multiply("${result}", 10, title="b"), add("${result}", 0.5, title="c")]}
    )
    assert [job.blocked for job in workflow.jobs.order_by("seq")] == [False, True, True]
    hands.finish(workflow)
    assert result_of(job_of(workflow, "c")) == 50.5
    assert hands.ran == list(workflow.jobs.order_by("seq").values_list("id", flat=True)), "each once, in order"
    assert look(workflow).state == State.SUCCESS and look(workflow).finished_at


def test_the_body_of_a_chord_gets_all_results_in_order(hands):
    header = [add(number, 0, title=f"part {number}") for number in range(5)]
    workflow = submit_workflow({"chord": {"header": header, "body": add("${result.0}", "${result.4}", title="body")}})
    hands.keep()
    hands.carry_out(reversed(hands.take()))
    hands.finish(workflow)
    assert result_of(job_of(workflow, "body")) == 4
    assert hands.ran[-1] == job_of(workflow, "body").id


def test_what_follows_a_group_in_a_chain_waits_for_all_of_it(hands):
    workflow = submit_workflow(
        {"chain": [add(1, 1, title="first"), {"group": [multiply("${result}", n, title=f"m{n}") for n in (2, 3)]},
                   add("${result.0}", "${result.1}", title="sum")]}
    )  # fmt: skip
    hands.finish(workflow)
    assert result_of(job_of(workflow, "sum")) == 10
    graph = graph_of(workflow)
    assert [graph.column[job.pk] for job in graph.jobs] == [0, 1, 1, 2]


def test_nested_ties_are_unfolded(hands):
    inner = {"chain": [add(1, 2, title="i1"), multiply("${result}", 2, title="i2")]}
    deep = {"chord": {"header": [inner, add(4, 0, title="h2")], "body": add("${result.0}", "${result.1}", title="sum")}}
    workflow = submit_workflow({"chain": [deep, multiply("${result}", 3, title="end")]})
    hands.finish(workflow)
    assert result_of(job_of(workflow, "end")) == 30


def test_a_step_for_each_item_becomes_as_many_jobs(hands):
    hands.work = lambda job: [1, 2, 3] if job.title == "list" else job.params["x"] * 10
    workflow = submit_workflow(
        {"chain": [add(0, 0, title="list"), multiply("${item}", 0, title="each", each="${result}"),
                   add("${result.0}", "${result.2}", title="end")]}
    )  # fmt: skip
    hands.finish(workflow)
    assert workflow.jobs.count() == 5
    end = job_of(workflow, "end")
    assert (end.params["x"], end.params["y"]) == (10, 30), "their results come in the order of the list"
    assert Edge.objects.filter(after=end).count() == 3


def test_many_items_become_jobs_over_several_turns_of_dispatch(hands, monkeypatch):
    monkeypatch.setattr("jobs.workflows.advance.AT_A_TURN", 3)
    hands.work = lambda job: list(range(10)) if job.title == "list" else job.params["x"] * 10
    each = multiply("${item}", 0, title="each", each="${result}")
    header = [add(7, 0, title="before"), {"chain": [add(0, 0, title="list"), each]}, add(8, 0, title="after")]
    body = add("${result.0}", "${result.11}", title="ends")
    workflow = submit_workflow(
        {"chain": [{"group": header}, {"group": [body, add("${result.1}", "${result.10}", title="each ends")]}]}
    )
    hands.finish(workflow)
    assert workflow.jobs.filter(kind="multiply").count() == 10 and len(hands.ran) == len(set(hands.ran)) == 15
    assert [job_of(workflow, title).params for title in ("ends", "each ends")] == [
        {"x": 70.0, "y": 80.0},
        {"x": 0.0, "y": 90.0},
    ]


def test_a_list_that_would_tie_each_of_many_to_each_of_many_starts_nothing(hands):
    hands.work = lambda job: list(range(400)) if job.title in ("list", "lists") else job.params["x"]
    workflow = submit_workflow(
        {"chain": [{"group": [add(n, 0) for n in range(299)] + [add(0, 0, title="lists")]},
                   multiply("${item}", 0, title="each", each="${result.299}")]}
    )  # fmt: skip
    hands.finish(workflow)
    told = job_of(workflow, "each")
    assert (told.state, workflow.jobs.count()) == ("FAILURE", 301)
    assert "400 items, tied to 300 steps" in told.error and "Put one step between" in told.error


def test_files_flow_by_name(hands, alice):  # noqa: F811
    report = {
        "kind": "report",
        "params": {"table": "${files:*.csv}", "group_by": "a", "measure": "b"},
        "title": "report",
    }
    workflow = submit_workflow({"chain": [add(1, 1, title="maker"), report]}, user=alice)

    def make(job):
        if job.title == "maker":
            hands.save(job, "notes.txt")
            hands.save(job, "table.csv")
        return 1

    hands.work = make
    hands.finish(workflow)
    job = job_of(workflow, "report")
    assert job.state == "SUCCESS" and [file["name"] for file in job.params["table"]] == ["table.csv"]
    kept = Artifact.objects.get(job=job, is_input=True)
    assert kept.name == "table.csv" and kept.owner == alice, "the file stays as long as the job that took it in"


def test_links_and_parts_are_written_into_texts(hands):
    hands.work = lambda job: {"count": 3, "who": ["Nina"]}
    text = "Dear ${result.who.0}, ${result.count} are at ${link}. $${not this}"
    mail = {"kind": "email", "params": {"to": "a@example.org", "subject": "s", "text": text}, "title": "mail"}
    workflow = submit_workflow({"chain": [add(1, 1, title="maker"), mail]})
    hands.finish(workflow)
    written = job_of(workflow, "mail").params["text"]
    assert written.startswith("Dear Nina, 3 are at http")
    assert written.endswith(f"/jobs/{job_of(workflow, 'maker').id}/. ${{not this}}")


def test_a_missing_part_fails_the_step_and_says_which(hands):
    workflow = submit_workflow({"chain": [add(1, 1, title="a"), add("${result.sum}", 1, title="b")]})
    hands.finish(workflow)
    failed = job_of(workflow, "b")
    assert (failed.state, failed.attempt) == ("FAILURE", 1) and "${result.sum}" in failed.error
    assert json.loads(redis_client().get(keys.result(failed.id)))["status"] == "FAILURE", "Celery's clients hear of it"


def test_what_a_step_gives_is_checked_by_the_next_ones_form(hands):
    hands.work = lambda job: "many"
    workflow = submit_workflow({"chain": [add(1, 1, title="a"), add("${result}", 1, title="b")]})
    hands.finish(workflow)
    assert job_of(workflow, "b").error == "x: Enter a number."


class TestFailure:
    SPEC = {"group": [{"chain": [add(1, 1, title="fails"), add(1, 2, title="after")]},
                      {"chain": [add(1, 3, title="other"), add(1, 4, title="after other")]}]}  # fmt: skip

    def test_ends_the_whole_workflow(self, hands):
        workflow = submit_workflow(self.SPEC)
        hands.keep()
        hands.carry_out([one for one in hands.take() if one[0] == job_of(workflow, "fails").id])
        hands.finish(workflow)
        states = dict(workflow.jobs.values_list("title", "state"))
        assert states == {"fails": "FAILURE", "after": "REVOKED", "other": "REVOKED", "after other": "REVOKED"}
        assert "“fails”" in job_of(workflow, "after").error
        assert look(workflow).state == State.FAILURE

    def test_skips_what_depends_on_it(self, hands):
        workflow = submit_workflow({**self.SPEC, "on_failure": "skip"})
        hands.finish(workflow)
        states = dict(workflow.jobs.values_list("title", "state"))
        assert states == {"fails": "FAILURE", "after": "REVOKED", "other": "SUCCESS", "after other": "SUCCESS"}
        assert job_of(workflow, "after").error == "Skipped: “fails” did not succeed."
        assert TaskResult.objects.get(task_id=job_of(workflow, "after").id).status == "REVOKED"

    def test_a_step_that_needs_some_goes_on_with_those(self, hands):
        header = [add(1, 1, title="fails"), add(2, 2, title="good")]
        body = multiply("${result.0}", 10, title="body", needs="some")
        workflow = submit_workflow({"chord": {"header": header, "body": body}, "on_failure": "skip"})
        hands.finish(workflow)
        assert result_of(job_of(workflow, "body")) == 40

    @pytest.mark.parametrize("on_failure", ["end", "skip"])
    def test_is_mended_by_a_retry_from_the_failed_step(self, hands, on_failure):
        workflow = submit_workflow({**self.SPEC, "on_failure": on_failure})
        hands.finish(workflow)
        ran = list(hands.ran)
        hands.work = lambda job: 1
        count = steer.retry(workflow)
        hands.finish(workflow)
        assert look(workflow).state == State.SUCCESS
        again = hands.ran[len(ran) :]
        assert len(again) == len(set(again)) == count
        succeeded_before = {job_id for job_id in ran if job_id not in again}
        assert succeeded_before == {job.id for job in workflow.jobs.filter(attempt=1)}, "what had succeeded stays"
        order = [workflow.jobs.get(id=job_id).title for job_id in again]
        assert order.index("fails") < order.index("after")

    def test_nothing_can_be_retried_that_has_not_failed(self, hands):
        workflow = submit_workflow({"chain": [add(1, 1), add("${result}", 1)]})
        with pytest.raises(Conflict):
            steer.retry(workflow)
        hands.finish(workflow)
        with pytest.raises(Conflict):
            steer.retry(workflow)

    def test_a_single_step_is_not_retried_by_itself(self, hands):
        workflow = submit_workflow({"chain": [add(1, 1, title="fails"), add("${result}", 1)]})
        hands.finish(workflow)
        with pytest.raises(Conflict, match="workflow"):
            retry(job_of(workflow, "fails"))


def test_cancelling_ends_every_job(hands):
    workflow = submit_workflow({"chain": [add(1, 1, title="a"), add("${result}", 1), add("${result}", 1)]})
    steer.cancel(workflow)
    hands.finish(workflow)
    assert set(workflow.jobs.values_list("state", flat=True)) == {"REVOKED"} and not hands.ran
    assert look(workflow).state == State.REVOKED
    with pytest.raises(Conflict):
        steer.cancel(workflow)
    steer.retry(workflow)
    hands.finish(workflow)
    assert look(workflow).state == State.SUCCESS


def test_a_cancelled_step_ends_what_comes_after_it(hands):
    workflow = submit_workflow({"chain": [add(1, 1, title="a"), add("${result}", 1, title="b")]})
    cancel(job_of(workflow, "b"))
    hands.finish(workflow)
    assert dict(workflow.jobs.values_list("title", "state"))["b"] == "REVOKED"


def test_a_blocked_step_is_neither_published_nor_counted_as_lost(hands):
    workflow = submit_workflow({"chain": [add(1, 1, title="a"), add("${result}", 1, title="b")]})
    for _ in range(3):
        hands.keep()
    assert [job_id for job_id, _ in hands.take()] == [job_of(workflow, "a").id]
    assert job_of(workflow, "b").shown == "scheduled"


def test_a_keeper_killed_between_an_end_and_what_follows_changes_nothing(hands):
    workflow = submit_workflow({"chain": [add(1, 1, title="a"), add("${result}", 1, title="b")]})
    hands.keep()
    hands.carry_out(hands.take())
    redis_client().xreadgroup(keys.GROUP, "keeper", {keys.EVENTS: ">"}, count=100)
    hands.reader = type(hands.reader)()
    hands.finish(workflow)
    assert result_of(job_of(workflow, "b")) == 3 and len(hands.ran) == 2


def test_jobs_of_a_moving_workflow_are_not_forgotten(hands):
    from jobs.models.forget import forget_jobs

    workflow = submit_workflow({"chain": [add(1, 1, title="a"), add("${result}", 1, title="b")]})
    hands.keep()
    hands.carry_out(hands.take())
    hands.reader.step(0.001)
    every = list(workflow.jobs.values_list("seq", flat=True))
    assert forget_jobs(every).jobs == 0
    hands.finish(workflow)
    assert forget_jobs(every).jobs == 2 and not Workflow.objects.exists()


class Whimsical(Kind):
    """A kind whose own code fails over what a step before gave."""

    slug, label = "whimsical", "Whimsical"

    class Form(forms.Form):
        x = forms.CharField()

    @classmethod
    def title(cls, params):
        if params["x"] == "boom":
            raise ZeroDivisionError("no title for that")
        return f"About {params['x']}"

    def run(self, params, ctx):
        return params["x"]


@pytest.fixture
def whimsical():
    all_kinds.cache_clear()
    all_kinds()["whimsical"] = Whimsical
    yield
    all_kinds.cache_clear()


def test_a_kinds_own_failure_ends_its_step_and_dispatch_goes_on(hands, whimsical):
    hands.work = lambda job: "boom"
    workflow = submit_workflow({"chain": [add(1, 1), {"kind": "whimsical", "params": {"x": "${result}"}}]})
    other = submit_workflow({"chain": [add(1, 1), add("2", 1, title="other")]})
    hands.finish(workflow)
    hands.finish(other)
    failed = workflow.jobs.get(kind="whimsical")
    assert (failed.state, failed.error_type, failed.error) == ("FAILURE", "ZeroDivisionError", "no title for that")
    assert job_of(other, "other").state == "SUCCESS"


def test_a_value_that_sql_does_not_take_ends_the_step_or_is_taken(hands, whimsical):
    hands.work = lambda job: "a\0b"
    workflow = submit_workflow({"chain": [add(1, 1), {"kind": "whimsical", "params": {"x": "x ${result}"}}]})
    hands.finish(workflow)
    assert workflow.jobs.get(kind="whimsical").state in ("SUCCESS", "FAILURE")


def test_a_queue_that_an_operator_chose_is_kept_for_steps_that_wait(hands, alice):  # noqa: F811
    workflow = submit_workflow({"chain": [add(1, 1), add("${result}", 1, title="moved")]}, user=alice)
    # As LOOP_BLOCK_MOVES would have it, or an operator's override.
    workflow.jobs.filter(title="moved").update(queue="cpu")
    hands.finish(workflow)
    assert (job_of(workflow, "moved").state, job_of(workflow, "moved").queue) == ("SUCCESS", "cpu")


def test_secrets_of_a_task_that_waits_are_ciphertext_in_sql_and_clear_in_its_message(hands):
    hands.work = lambda job: "nina"
    call = {"args": ["s3cret"], "kwargs": {"settings": {"token": "t0ken"}}}
    task = {"task": f"{foreign_tasks.NAME}login", **call, "title": "task"}
    workflow = submit_workflow({"chain": [add(1, 1), task]})
    for turn in ("waiting", "released"):
        stored = job_of(workflow, "task")
        assert stored.blocked == (turn == "waiting")
        kept = json.dumps([stored.params, stored.step.template])
        assert "s3cret" not in kept and "t0ken" not in kept
        hands.keep()
        hands.carry_out(hands.take()[:1])
        hands.keep()
    args, kwargs = call_of(job_of(workflow, "task").params)
    assert {
        **kwargs,
        **dict(zip(("user", "password"), args, strict=False)),
    } == {"user": "nina", "password": "s3cret", "settings": {"token": "t0ken"}}


def test_jobs_outside_workflows_are_untouched(hands):
    job = submit("add", {"x": 1, "y": 2})
    hands.keep()
    hands.carry_out(hands.take())
    hands.keep()
    job.refresh_from_db()
    assert job.state == "SUCCESS" and job.workflow is None
