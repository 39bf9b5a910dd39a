"""Acting on many jobs: the selected ones, and all that a filter finds, piece by piece."""

import re
from datetime import timedelta

import pytest
from django.core import signing
from django.utils import timezone

from jobs.core.redaction import MASK
from jobs.models import AuditEntry, Job
from jobs.submit import submit
from jobs.web.pages import bulk
from tests.unit.job_rows import alice, bob, make_job, olga, run_hash, users  # noqa: F401

pytestmark = pytest.mark.django_db


def ended(state="SUCCESS", **more):
    """A job that can be run once more: its parameters are whole."""
    job = submit("add", {"x": 2, "y": 3}, user=more.pop("owner", None))
    Job.objects.filter(pk=job.pk).update(state=state, finished_at=timezone.now(), **more)
    job.refresh_from_db()
    return job


def act(client, action, *jobs, **more):
    data = {"action": action, "id": [job.id for job in jobs], "back": "/jobs", **more}
    return client.post("/jobs/act", data, follow=True).content.decode()


def choices(client, **asked):
    """{action: (count, token)} of the page that asks what to do with all that match."""
    answer = client.get("/jobs/all", asked)
    assert answer.status_code == 200
    return {one["walk"].action: (str(one["count"]), one["walk"].token) for one in answer.context["choices"]}


def walk(client, token):
    """Press "Go on" until it is over; the walk at its end, and how many times it was pressed."""
    for presses in range(1, 50):
        answer = client.post("/jobs/all", {"token": token})
        found = answer.context["walk"]
        if found.is_over:
            return found, presses
        token = re.search(r'name="token" value="([^"]+)"', answer.content.decode())[1]
    raise AssertionError("it never ends")


def test_what_became_of_the_selected_is_told(client, olga):  # noqa: F811
    client.force_login(olga)
    waiting, done = make_job(state="PENDING"), make_job()
    page = act(client, "cancel", waiting, done)
    assert "1 cancelled." in page and "1 left alone: The job has ended already: succeeded." in page
    running = make_job(state="STARTED")
    run_hash(running)
    assert "1 asked to stop." in act(client, "cancel", running)


def test_selected_jobs_are_rerun_once_for_each_press_of_the_button(client, alice, bob):  # noqa: F811
    mine, others, moving = ended(owner=alice), ended(owner=bob), make_job(owner=alice, state="STARTED")
    client.force_login(alice)
    for _ in range(2):
        page = act(client, "rerun", mine, others, moving, key="one-page")
    assert "1 submitted anew." in page and "1 left alone: It has not ended yet." in page
    [again] = Job.objects.exclude(rerun_of=None)
    assert (again.rerun_of, again.owner, again.params) == (mine, alice, mine.params)


def test_the_count_is_told_before_and_only_what_applies_is_offered(client, olga):  # noqa: F811
    client.force_login(olga)
    for state in ("PENDING", "STARTED", "FAILURE", "REVOKED", "SUCCESS", "SUCCESS"):
        make_job(state=state)
    make_job(state="FAILURE", kind="image")
    found = choices(client, kind="email")
    assert {action: count for action, (count, _) in found.items()} == {"cancel": "2", "retry": "2", "rerun": "4"}
    assert choices(client, state="running").keys() == {"cancel"}
    assert choices(client, q="state:pending").keys() == {"cancel"}
    assert choices(client, q="nothing at all like this") == {}
    assert client.get("/jobs/all?q=stat:x").url == "/jobs?q=stat%3Ax"


def test_all_matching_are_cancelled_and_nothing_else(client, olga):  # noqa: F811
    client.force_login(olga)
    matching = [make_job(state=state, ago=number) for number, state in enumerate(("PENDING", "RETRY", "PENDING"))]
    other, done = make_job(state="PENDING", kind="image"), make_job()
    count, token = choices(client, kind="email")["cancel"]
    later = make_job(state="PENDING", ago=-5)
    found, _ = walk(client, token)
    assert (count, found.done, found.left) == ("3", {"cancelled": 3}, {})
    states = dict(Job.objects.values_list("pk", "state"))
    assert {job.pk: states[job.pk] for job in matching} == dict.fromkeys([job.pk for job in matching], "REVOKED")
    assert (states[other.pk], states[done.pk], states[later.pk]) == ("PENDING", "SUCCESS", "PENDING")
    entry = AuditEntry.objects.get(action="cancel all")
    assert (entry.target, entry.detail) == ("kind=email", {"matching": 3})


def test_it_is_done_piece_by_piece_and_each_job_once(client, olga, monkeypatch):  # noqa: F811
    monkeypatch.setattr(bulk, "PIECE", 0.0)
    client.force_login(olga)
    jobs = [make_job(state="FAILURE", ago=number, error_type="OSError") for number in range(5)]
    _, token = choices(client, state="failed")["retry"]
    answer = client.post("/jobs/all", {"token": token}, headers={"HX-Request": "true"})
    assert "1 started again" in answer.content.decode() and "<html" not in answer.content.decode()
    found, presses = walk(client, answer.context["walk"].token)
    assert found.done == {"started again": 5} and presses > 4
    assert set(Job.objects.values_list("attempt", flat=True)) == {2} and len(jobs) == 5
    assert AuditEntry.objects.filter(action="retry all").count() == 1


def test_a_piece_that_is_sent_twice_reruns_nothing_twice(client, olga):  # noqa: F811
    client.force_login(olga)
    for _ in range(3):
        ended()
    _, token = choices(client)["rerun"]
    for _ in range(2):
        found, _ = walk(client, token)
        assert found.done == {"submitted anew": 3}
    assert Job.objects.exclude(rerun_of=None).count() == 3


def test_why_some_were_left_alone_is_told(client, olga):  # noqa: F811
    client.force_login(olga)
    make_job(state="FAILURE")
    for _ in range(2):
        make_job(state="FAILURE", kind="shop.pay", is_kind=False, params={"args": [MASK], "kwargs": {}})
    _, token = choices(client)["retry"]
    page = client.post("/jobs/all", {"token": token}).content.decode()
    assert "1 started again, 2 left alone." in page
    assert "2: This job cannot be run again from here" in page


def test_what_ended_meanwhile_is_not_cancelled(olga):  # noqa: F811
    job = make_job(state="PENDING")
    Job.objects.filter(pk=job.pk).update(state="SUCCESS")
    assert bulk.carry_out("cancel", job, olga) == ("", "The job has ended already: succeeded.")


def test_there_is_a_most_and_it_is_told(client, olga, monkeypatch):  # noqa: F811
    monkeypatch.setattr(bulk, "MOST", 2)
    client.force_login(olga)
    oldest, *_ = [make_job(state="PENDING", ago=ago) for ago in (30, 20, 10)]
    page = client.get("/jobs/all").content.decode()
    assert "2+ can be cancelled." in page and "The newest 2 at a time." in page and "Cancel 2" in page
    found, _ = walk(client, choices(client)["cancel"][1])
    oldest.refresh_from_db()
    assert found.is_cut and found.done == {"cancelled": 2} and oldest.state == "PENDING"


def test_a_full_quota_ends_it(client, alice, settings):  # noqa: F811
    client.force_login(alice)
    for _ in range(3):
        ended(owner=alice)
    settings.QUOTA_UNFINISHED = 1
    found, _ = walk(client, choices(client)["rerun"][1])
    assert found.done == {"submitted anew": 1}
    assert found.left == {"You have 1 unfinished jobs; 1 are allowed at a time.": 1}


def test_submitters_reach_their_own_jobs_only(client, alice, bob):  # noqa: F811
    mine, other = make_job(owner=alice, state="PENDING"), make_job(owner=bob, state="PENDING")
    client.force_login(alice)
    count, token = choices(client)["cancel"]
    found, _ = walk(client, token)
    other.refresh_from_db()
    assert (count, found.done, other.state) == ("1", {"cancelled": 1}, "PENDING")
    assert bulk.carry_out("cancel", other, alice) == ("", "It is not yours.")
    client.force_login(bob)
    assert "too old to go on" in client.post("/jobs/all", {"token": token}, follow=True).content.decode()
    assert mine.pk != other.pk


@pytest.mark.parametrize(
    "token", ["", "nonsense", signing.dumps({"user": 1}, salt="other")], ids=["empty", "nonsense", "other"]
)
def test_a_token_that_is_not_ours_does_nothing(client, olga, token):  # noqa: F811
    make_job(state="PENDING")
    client.force_login(olga)
    assert client.post("/jobs/all", {"token": token}).url == "/jobs"
    assert Job.objects.get().state == "PENDING"


def test_the_time_of_a_piece_ends_within_a_page(client, olga, monkeypatch):  # noqa: F811
    client.force_login(olga)
    for number in range(3):
        make_job(state="PENDING", ago=number, due_at=timezone.now() + timedelta(hours=1))
    clock = iter(range(1000))
    monkeypatch.setattr(bulk.time, "monotonic", lambda: next(clock) / 2)
    answer = client.post("/jobs/all", {"token": choices(client, state="scheduled")["cancel"][1]})
    assert not answer.context["walk"].is_over and 0 < answer.context["walk"].looked < 3
