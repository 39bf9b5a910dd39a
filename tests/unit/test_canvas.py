"""Celery's own chain, group and chord: what their tasks tell, and what the keeper makes of it, in every order."""

import random

import pytest
from celery import chain, chord, group
from django.contrib.auth.models import User

from jobs.core.states import State
from jobs.keeper.record import record
from jobs.models import CanvasLink, Edge, Job, Workflow
from jobs.models.forget import forget_jobs
from jobs.models.workflow import workflow_counts
from jobs.wire.events import Event
from tests.unit.canvas_running import call, fail, run, say

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning"),  # Celery's own backend
]
s = say.si

#: what is started -> "before>after" of every edge.
CANVASES = {
    "chain": (lambda: chain(s("a"), s("b"), s("c")), "a>b b>c"),
    "group": (lambda: group(s("a"), s("b"), s("c")), ""),
    "chord": (lambda: chord([s("a"), s("b"), s("c")], s("d")), "a>d b>d c>d"),
    "group, then a task": (lambda: chain(group(s("a"), s("b")), s("c")), "a>c b>c"),
    "group at the end": (lambda: chain(s("a"), group(s("b"), s("c"))), "a>b a>c"),
    "group within": (lambda: chain(s("a"), group(s("b"), s("c")), s("d"), s("e")), "a>b a>c b>d c>d d>e"),
    "group of chains": (lambda: group(chain(s("a"), s("b")), chain(s("c"), s("d"))), "a>b c>d"),
    "group in a group": (lambda: group(group(s("a"), s("b")), s("c")), ""),
    "group of a chain with a group": (lambda: group(chain(s("a"), group(s("b"), s("c"))), s("d")), "a>b a>c"),
    "chord of chains": (lambda: chord([chain(s("a"), s("b")), chain(s("c"), s("d"))], s("e")), "a>b c>d b>e d>e"),
    "chord with a chain": (lambda: chord([s("a"), s("b")], chain(s("c"), s("d"))), "a>c b>c c>d"),
    "chord with a group": (lambda: chord([s("a"), s("b")], group(s("c"), s("d"))), "a>c a>d b>c b>d"),
    "chord of a chord": (lambda: chord([chord([s("a"), s("b")], s("c")), s("d")], s("e")), "a>c b>c c>e d>e"),
    "chord of a chain with a group": (
        lambda: chord([chain(s("a"), group(s("b"), s("c"))), s("d")], s("e")),
        "a>b a>c b>e c>e d>e",
    ),
    "groups in a row": (
        lambda: chain(group(s("a"), s("b")), group(s("c"), s("d")), s("e")),
        "a>c a>d b>c b>d c>e d>e",
    ),
    "callback": (lambda: s("a").set(link=s("b")), "a>b"),
    "callbacks": (lambda: s("a").set(link=[s("b"), chain(s("c"), s("d"))]), "a>b a>c c>d"),
}


def one_by_one(told):
    for event in told:
        record([event])


def shuffled(seed):
    def play(told):
        random.Random(seed).shuffle(told)
        one_by_one(told)

    return play


ORDERS = {
    "one by one": one_by_one,
    "in one batch": record,
    "backwards": lambda told: one_by_one(told[::-1]),
    "in one batch, backwards": lambda told: record(told[::-1]),
    **{f"shuffled {seed}": shuffled(seed) for seed in range(3)},
}


def drawn(names):
    """(edges by the names of their jobs, {workflow: names of its jobs})."""
    of = {job.pk: names[job.id] for job in Job.objects.all()}
    edges = {f"{of[edge.before_id]}>{of[edge.after_id]}" for edge in Edge.objects.all()}
    within = {flow.id: {of[job.pk] for job in flow.jobs.all()} for flow in Workflow.objects.all()}
    return edges, within


@pytest.mark.parametrize("shape", CANVASES)
def test_each_shape_is_one_workflow_with_its_edges_in_whatever_order_it_is_told(shape):
    make, expected = CANVASES[shape]
    told, names = run(make())
    for order, play in ORDERS.items():
        for _ in range(2):  # recorded again after a crash, it is the same
            play(list(told))
            edges, within = drawn(names)
            assert edges == set(expected.split()), order
            assert within == {told[0].fields["canvas"]["in"]: set(names.values())}, order
            assert set(Job.objects.values_list("state", flat=True)) == {State.SUCCESS}
            assert not CanvasLink.objects.exists()
        workflow = Workflow.objects.get()
        assert workflow.is_canvas and workflow.via == "celery"
        forget_jobs(Job.objects.values_list("seq", flat=True))


def test_the_header_of_a_chord_gives_its_results_in_the_order_of_the_group():
    told, names = run(chord([s("a"), s("b"), s("c")], s("d")))
    record(told)
    assert [names[edge.before.id] for edge in Edge.objects.order_by("position")] == ["a", "b", "c"]


def test_what_runs_now_is_drawn_before_the_rest_has_started():
    told, names = run(chain(s("a"), s("b"), s("c")))
    record(told[:3])
    assert drawn(names) == ({"a>b"}, {told[0].job: {"a", "b"}})
    assert dict(Job.objects.values_list("id", "state")) == {told[0].job: "SUCCESS", told[2].job: "STARTED"}


def test_between_two_of_its_tasks_it_has_not_ended():
    told, _ = run(chain(group(s("a"), s("b")), s("c")))
    flow = told[0].fields["canvas"]["in"]
    record(told[:4])
    assert workflow_counts([flow]) == {flow: {"SUCCESS": 2, "PENDING": 1}}
    record(told[4:])
    assert workflow_counts([flow]) == {flow: {"SUCCESS": 3}}


def test_what_a_failure_leaves_out_is_not_invented():
    told, names = run(chain(s("a"), fail.si("b"), s("c")))
    record(told)
    edges, within = drawn(names)
    assert edges == {"a>b"} and [*within.values()] == [{"a", "b"}]
    assert CanvasLink.objects.count() == 1  # b would have been followed
    assert workflow_counts([told[0].job]) == {told[0].job: {"SUCCESS": 1, "FAILURE": 1}}
    forget_jobs(Job.objects.values_list("seq", flat=True))
    assert not CanvasLink.objects.exists() and not Workflow.objects.exists()


def test_a_chord_whose_header_fails_is_one_workflow_all_the_same():
    told, names = run(chord([chain(s("a"), s("b")), fail.si("c")], s("d")))
    record(told)
    edges, within = drawn(names)
    assert edges == {"a>b"} and [*within.values()] == [{"a", "b", "c"}]
    assert [*workflow_counts([*within]).values()] == [{"SUCCESS": 2, "FAILURE": 1}]


def test_tasks_that_nothing_ties_belong_to_no_workflow():
    told, _ = run(s("alone"), call.si("caller"))
    assert len(told) == 6
    assert not any("canvas" in event.fields for event in told)
    record(told)
    assert Job.objects.filter(workflow=None).count() == 3 and not Workflow.objects.exists()


def test_two_chains_are_two_workflows():
    told, names = run(chain(s("a"), s("b")), chain(s("c"), s("d")))
    record(told)
    assert sorted(map(sorted, drawn(names)[1].values())) == [["a", "b"], ["c", "d"]]


def test_it_is_named_by_its_tasks():
    told, _ = run(chain(s("a"), call.si("b"), s("c")))
    record(told)
    assert Workflow.objects.get(id=told[0].job).title == "say, call"


def test_it_belongs_to_whose_job_started_it():
    ann = User.objects.create_user("ann")
    told, _ = run(chain(s("a"), s("b")))
    record([Event(each.id, each.type, each.job, each.attempt, str(ann.pk), each.fields) for each in told])
    assert Workflow.objects.get().owner == ann
    assert {job.owner for job in Job.objects.all()} == {ann}
    assert "ann" in Job.objects.first().search


def test_what_the_job_of_a_deleted_user_started_belongs_to_nobody():
    told, _ = run(chain(s("a"), s("b")))
    record([Event(each.id, each.type, each.job, each.attempt, "4711", each.fields) for each in told])
    assert Workflow.objects.get().owner is None and Job.objects.filter(owner=None).count() == 2


def test_events_of_an_older_worker_say_nothing_of_canvas_and_are_recorded():
    told, _ = run(chain(s("a"), s("b")))
    record([
        Event(each.id, each.type, each.job, each.attempt, "", {k: v for k, v in each.fields.items() if k != "canvas"})
        for each in told
    ])  # fmt: skip
    assert Job.objects.filter(state="SUCCESS").count() == 2 and not Workflow.objects.exists()
