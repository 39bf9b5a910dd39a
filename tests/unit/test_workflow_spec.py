"""What is accepted as a workflow, and how a wrong one is told."""

import pytest

from jobs.core.errors import Conflict, Refused
from jobs.models import Job, Workflow
from jobs.workflows.build import submit_workflow
from tests.unit.job_rows import alice, users  # noqa: F401  fixtures

pytestmark = pytest.mark.django_db(transaction=True)


def add(x, y, **more):
    return {"kind": "add", "params": {"x": x, "y": y}, **more}


def refused(spec):
    with pytest.raises(Refused) as caught:
        submit_workflow(spec)
    assert not Workflow.objects.exists() and not Job.objects.exists(), "refused, and yet stored"
    return caught.value.errors


class TestRefusal:
    def test_of_two_wide_groups_one_after_the_other_says_what_to_put_between(self):
        wide = {"group": [add(1, 1)] * 400}
        errors = refused({"chain": [wide, wide]})
        assert list(errors) == ["workflow"] and len(errors["workflow"]) == 1
        assert "at most 100,000 such ties" in errors["workflow"][0]

    def test_names_the_step_and_the_field(self):
        assert list(refused({"chain": [add(1, "one")]})) == ["chain[0].params.y"]
        late = {"chain": [add(1, 1), {"group": [add("${result}", "one"), add(1, 1, colour="red")]}]}
        assert list(refused(late)) == ["chain[1].group[1]"]
        late["chain"][1]["group"].pop()
        assert list(refused(late)) == ["chain[1].group[0].params.y"]

    @pytest.mark.parametrize(
        ("spec", "field"),
        [
            ({}, "workflow"),
            ({"chain": []}, "chain"),
            ({"chain": [1]}, "chain[0]"),
            ({"chord": {"header": [add(1, 1)]}}, "chord"),
            ({"chain": [add(1, 1)], "group": [add(1, 1)]}, "workflow"),
            ({"chain": [{"kind": "nosuch"}]}, "chain[0].kind"),
            ({"chain": [{"task": "no.such"}]}, "chain[0].task"),
            ({"chain": [add("${result}", 1)]}, "chain[0]"),
            ({"chain": [add(1, 1), add("${nonsense}", 1)]}, "chain[1]"),
            ({"chain": [add(1, 1), {"kind": "add", "params": {"z": "${result}"}}]}, "chain[1].params.z"),
            ({"chain": [add(1, 1), add("${result}", 1, needs="none")]}, "chain[1].needs"),
            ({"chain": [{"kind": 5}]}, "chain[0].kind"),
            ({"chain": [{"kind": None}]}, "chain[0].kind"),
            ({"chain": [{"task": None}]}, "chain[0].task"),
            ({"chain": [{"task": ["a"]}]}, "chain[0].task"),
            ({"chain": [add(1, 1, queue=5)]}, "chain[0].queue"),
            ({"chain": [add(1, 1, priority=[])]}, "chain[0].priority"),
            ({"chain": [add(1, 1, priority=True)]}, "chain[0].priority"),
            ({"chain": [add(1, 1, priority="soon")]}, "chain[0].priority"),
            ({"chain": [add(1, 1, title={"a": 1})]}, "chain[0].title"),
            ({"chain": [add(1, 1), add(1, 1, each=5)]}, "chain[1].each"),
            ({"chain": [add(1, 1), add(1, 1, each="all")]}, "chain[1].each"),
            ({"chain": [{"kind": "add", "params": [1]}]}, "chain[0].params"),
            ({"chain": [{"task": "x", "args": {}}]}, "chain[0].args"),
            ({"chain": [{"task": "x", "immutable": "yes"}]}, "chain[0].immutable"),
            ({"chain": [add(1, 1)], "on_failure": "cry"}, "on_failure"),
            ({"chain": [add(1, 1)], "on_failure": []}, "on_failure"),
            ({"chain": [add(1, 1)], "due_at": "9999-12-31T23:59:59-23:00"}, "due_at"),
            ({"chain": [add(1, 1)], "due_at": "soon"}, "due_at"),
        ],
    )
    def test_of_every_shape_that_is_wrong(self, spec, field):
        assert field in refused(spec)

    def test_of_more_steps_than_are_taken(self):
        assert "workflow" in refused({"group": [add(1, 1)] * 10_001})


def test_the_same_key_answers_the_same_workflow(alice):  # noqa: F811
    spec = {"chain": [add(1, 1), add("${result}", 1)]}
    first = submit_workflow(spec, user=alice, idempotency_key="k")
    assert submit_workflow(spec, user=alice, idempotency_key="k").id == first.id and Job.objects.count() == 2
    with pytest.raises(Conflict):
        submit_workflow({"chain": [add(1, 1)]}, user=alice, idempotency_key="k")
