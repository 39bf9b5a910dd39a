"""What the keeper writes for a batch of events, on the real database."""

import json
import random

import pytest
from django_celery_results.models import TaskResult

from jobs.core.states import State
from jobs.keeper import stream
from jobs.keeper.record import record
from jobs.keeper.stream import Reader
from jobs.models import Artifact, Attempt, Job, LedgerEntry, LogLine
from jobs.submit import submit
from jobs.wire import events, keys
from jobs.wire.connection import redis_client
from jobs.wire.events import Event

pytestmark = pytest.mark.django_db


def event(job, number, event_type, attempt=1, **fields):
    return Event(f"{1_790_000_000_000 + number}-0", str(event_type), job.id, attempt, "", fields)


def history(job):
    """A life with everything in it: a failure, a loss, a success."""
    return [
        event(job, 0, events.QUEUED),
        event(job, 10, State.STARTED, worker="io@a", pid=7),
        event(job, 15, events.LOG, lines=[[1_790_000_000.5, "hello\x00"]]),
        event(
            job,
            20,
            State.RETRY,
            error_type="OSError",
            error="first\nline two",
            traceback="Traceback",
            next=1_790_000_001.0,
        ),
        event(job, 30, events.QUEUED, 2),
        event(job, 40, State.STARTED, 2, worker="io@b"),
        event(job, 50, State.LOST, 2),
        event(job, 60, events.QUEUED, 3),
        event(job, 70, State.STARTED, 3, worker="io@c"),
        event(job, 75, events.ARTIFACT, 3, artifact="a" * 32, name="out.txt", size=3, path="outputs/x"),
        event(job, 76, events.LEDGER, 3, key="alice", state="sending"),
        event(job, 77, events.LEDGER, 3, key="alice", state="sent"),
        event(job, 80, State.SUCCESS, 3, result='{"summary": "fine"}'),
    ]


def seen(job):
    job.refresh_from_db()
    return (
        job.state, job.attempt, job.outcome, job.worker,
        list(Attempt.objects.filter(job=job).values_list("number", "state", "worker", "error")),
        list(TaskResult.objects.filter(task_id=job.id).values_list("status", "result")),
        LogLine.objects.filter(job=job).count(), Artifact.objects.filter(job=job, is_input=False).count(),
        list(LedgerEntry.objects.filter(job=job).values_list("key", "state")),
    )  # fmt: skip


EXPECTED = (
    "SUCCESS", 3, "fine", "io@c",
    [(1, "RETRY", "io@a", "first\nline two"), (2, "LOST", "io@b", ""), (3, "SUCCESS", "io@c", "")],
    [("SUCCESS", '{"summary": "fine"}')], 1, 1, [("alice", "sent")],
)  # fmt: skip


def test_a_whole_life_in_one_batch():
    job = submit("flaky", {})
    record(history(job))
    assert seen(job) == EXPECTED


def test_the_same_life_event_by_event_and_again_from_the_start():
    job = submit("flaky", {})
    for one in history(job):
        record([one])
    for one in history(job):
        record([one])
    record(history(job))
    assert seen(job) == EXPECTED


@pytest.mark.parametrize("seed", range(12))
def test_the_same_life_in_any_order(seed):
    job = submit("flaky", {})
    life = [one for one in history(job) if one.type != events.LEDGER]
    random.Random(seed).shuffle(life)
    for one in life:
        record([one])
    # A RETRY that is heard after its LOST successor changes nothing; who was first is not lost.
    assert seen(job)[:3] == EXPECTED[:3]
    assert seen(job)[4] == EXPECTED[4]


def test_an_unknown_job_is_passed_over_and_a_foreign_one_accepted():
    stranger = Job(id="never-seen")
    record([event(stranger, 1, State.SUCCESS, result="1")])
    assert not Job.objects.filter(id="never-seen").exists()
    record([event(stranger, 2, State.STARTED, foreign=True, task="a.b.do_it", args=[1], kwargs={"password": "x"})])
    job = Job.objects.get(id="never-seen")
    assert (job.title, job.kind, job.state) == ("do it", "a.b.do_it", "STARTED")


def test_files_that_were_told_of_within_a_millisecond_keep_their_order():
    job = submit("add", {})
    names = [f"{number}.txt" for number in range(12)]
    told = [
        Event(f"1790000000000-{number}", events.ARTIFACT, job.id, 1, "",
              {"artifact": f"{99 - number:032}", "name": name, "size": 1, "path": f"outputs/{name}"})
        for number, name in enumerate(names)
    ]  # fmt: skip
    record(told)
    assert list(job.artifacts.order_by("created", "id").values_list("name", flat=True)) == names


def test_numbers_that_no_row_takes_are_the_nearest_ones_that_it_does():
    stranger = Job(id="endless")
    told = {"max_attempts": float("inf"), "priority": -1, "args": [float("nan")], "kwargs": {"x": float("inf")}}
    record([event(stranger, 1, State.STARTED, foreign=True, task="a.b.try_for_ever", **told)])
    job = Job.objects.get(id="endless")
    assert (job.max_attempts, job.priority) == (2**31 - 1, 0)
    assert job.params == {"args": ["NaN"], "kwargs": {"x": "Infinity"}}


def test_a_message_that_no_worker_understands_is_given_ten_minutes_from_the_first_refusal():
    job = submit("add", {})
    waited = event(job, 3_600_000, events.RETURNED)
    since = waited.at.timestamp() - 1
    record([event(job, 0, events.QUEUED), event(job, 3_600_000, events.RETURNED, since=since)])
    job.refresh_from_db()
    assert job.state == "PENDING" and job.next_check_at is not None, "an hour in the queue is no refusal"
    record([event(job, 4_300_000, events.RETURNED, since=since)])
    job.refresh_from_db()
    assert job.state == "FAILURE" and "no worker knows add" in job.error


@pytest.mark.django_db(transaction=True)
def test_poison_is_buried_and_the_rest_recorded():
    client = redis_client()
    job = submit("add", {})
    reader = Reader()
    client.xadd(keys.EVENTS, {"e": "no JSON"})
    client.xadd(keys.EVENTS, {"e": '{"v": 99, "t": "STARTED", "id": "x", "a": 1}'})
    client.xadd(keys.EVENTS, {"e": events.encode(events.ARTIFACT, job.id, 1, name="no id")})
    client.xadd(keys.EVENTS, {"e": events.encode(State.RETRY, job.id, 1, next=1e300)})
    client.xadd(keys.EVENTS, {"e": events.encode(State.SUCCESS, job.id, 1, result="5")})
    while not reader.step(0.01):
        pass
    job.refresh_from_db()
    assert job.state == "SUCCESS"
    assert client.xlen(keys.DEAD) == 4
    assert client.xpending(keys.EVENTS, keys.GROUP)["pending"] == 0


@pytest.mark.django_db(transaction=True)
def test_what_a_killed_keeper_had_read_is_read_again():
    client = redis_client()
    job = submit("add", {})
    reader = Reader()
    reader.step(0.01)  # makes the group
    client.xadd(keys.EVENTS, {"e": events.encode(State.SUCCESS, job.id, 1, result="5")})
    client.xreadgroup(keys.GROUP, "keeper", {keys.EVENTS: ">"})  # read, and killed before recording
    assert Reader().step(0.01) >= 1
    job.refresh_from_db()
    assert job.state == "SUCCESS"


@pytest.mark.django_db(transaction=True)
def test_what_got_lost_on_the_way_to_the_keeper_is_read_after_the_rest():
    client = redis_client()
    first, second = (submit("add", {}) for _ in range(2))
    reader = Reader()
    reader.step(0.01)  # makes the group
    while reader.step(0.01):
        pass
    client.xadd(keys.EVENTS, {"e": events.encode(State.STARTED, first.id, 1, "", worker="io@a")})
    # As where the connection broke with the answer: delivered to this consumer, and never seen by it.
    client.xreadgroup(keys.GROUP, "keeper", {keys.EVENTS: ">"})
    client.xadd(keys.EVENTS, {"e": events.encode(State.STARTED, second.id, 1, "", worker="io@a")})
    while reader.step(0.01):
        pass
    for job in (first, second):
        job.refresh_from_db()
        assert job.state == State.STARTED
    assert client.xpending(keys.EVENTS, keys.GROUP)["pending"] == 0


@pytest.mark.django_db(transaction=True)
def test_what_got_lost_is_found_though_nothing_follows(monkeypatch):
    client = redis_client()
    job = submit("add", {})
    reader = Reader()
    reader.step(0.01)  # makes the group
    while reader.step(0.01):
        pass
    client.xadd(keys.EVENTS, {"e": events.encode(State.SUCCESS, job.id, 1, result="5")})
    client.xreadgroup(keys.GROUP, "keeper", {keys.EVENTS: ">"})
    monkeypatch.setattr(stream, "TIDY_EVERY", 0.0)
    reader.step(0.01)
    reader.step(0.01)
    job.refresh_from_db()
    assert job.state == State.SUCCESS


@pytest.mark.django_db(transaction=True)
def test_an_event_with_newlines_between_its_tokens_is_one_event():
    job = submit("add", {})
    text = json.dumps(json.loads(events.encode(State.STARTED, job.id, 1, "", worker="io@a\nb")), indent=1)
    redis_client().xadd(keys.EVENTS, {"e": text})
    reader = Reader()
    reader.step(0.01)  # makes the group
    while reader.step(0.01):
        pass
    job.refresh_from_db()
    assert (job.state, job.worker) == (State.STARTED, "io@a\nb")


@pytest.mark.django_db(transaction=True)
def test_progress_never_reaches_sql(django_assert_num_queries):
    job = submit("add", {})
    with django_assert_num_queries(0):
        record([event(job, n, events.PROGRESS, p={"current": n, "total": 9}) for n in range(9)])
