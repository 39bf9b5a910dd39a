"""Keyset pages, counts and the plans behind them."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.browse import counts as counting
from jobs.browse import page as paging
from jobs.browse.counts import by_state
from jobs.browse.filters import JobFilter, Query
from jobs.browse.page import each, neighbours, newer_than, page
from jobs.core.errors import Refused
from tests.unit.job_rows import alice, bob, make_job, olga, users  # noqa: F401

pytestmark = pytest.mark.django_db


def titles(found):
    return [job.title for job in found.jobs]


def ask(**data):
    form = JobFilter(data)
    assert form.is_valid(), form.errors
    return form.query


def test_pages_meet_without_gap_or_double_even_at_the_same_microsecond():
    moment = timezone.now()
    for number in range(7):
        make_job(str(number), created=moment - timedelta(microseconds=number // 3))
    seen, cursor = [], ""
    while cursor is not None:
        found = page(Query(), cursor, 2)
        seen += titles(found)
        cursor = found.next
    assert seen == ["2", "1", "0", "5", "4", "3", "6"]


def test_newer_leads_back_and_ends_at_the_first_page():
    for number in range(6):
        make_job(str(number), ago=10 * number)
    first = page(Query(), limit=2)
    third = page(Query(), page(Query(), first.next, 2).next, 2)
    assert titles(third) == ["4", "5"] and third.next is None and first.previous is None
    second = page(Query(), third.previous, 2)
    assert titles(second) == ["2", "3"]
    back = page(Query(), second.previous, 2)
    assert titles(back) == ["0", "1"] and back.previous is None


@pytest.mark.parametrize(
    "token",
    ["x", "b3g", "bzEuMg==junk", "é", "bzk5OTk5OTk5OTk5OTk5OTk5OTk5OTkuMQ", "bzAuLTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"],
)
@pytest.mark.parametrize("query", [Query(), Query(words=("x",))])
def test_a_wrong_cursor_is_refused_by_name(query, token):
    with pytest.raises(Refused) as refused:
        page(query, token)
    assert "cursor" in refused.value.errors


def test_a_page_is_one_statement_without_parameters_or_search(alice):  # noqa: F811
    for number in range(5):
        make_job(str(number), owner=alice)
    with CaptureQueriesContext(connection) as queries:
        names = [job.owner.get_username() for job in page(Query()).jobs]
    assert names == ["alice"] * 5
    assert len(queries) == 1
    sql = queries[0]["sql"]
    assert '"params"' not in sql and '"search"' not in sql and "OFFSET" not in sql and "COUNT" not in sql


def test_a_mix_that_no_index_serves_stops_and_says_so(monkeypatch):
    monkeypatch.setattr(paging, "WINDOW", 10)
    old = make_job("old", kind="image", state="FAILURE", queue="io", ago=900)
    for number in range(30):
        make_job(str(number), kind="image", ago=10 * number, queue="cpu")
    question = ask(kind="image", queue="io")
    found = page(question)
    assert found.jobs == [] and found.searched_back_to and found.next
    steps = 1
    while not found.jobs and found.next:
        found = page(question, found.next)
        steps += 1
    assert [job.id for job in found.jobs] == [old.id] and steps <= 4
    assert found.searched_back_to is None and found.next is None


def test_each_walks_everything(monkeypatch):
    monkeypatch.setattr(paging, "MOST", 3)
    for number in range(8):
        make_job(str(number), ago=10 * number)
    assert [job.title for job in each(Query())] == [str(number) for number in range(8)]


def test_scheduled_and_queued_are_told_apart_by_the_due_time():
    make_job("later", state="PENDING", due_at=timezone.now() + timedelta(hours=1))
    make_job("now", state="PENDING")
    make_job("past", state="PENDING", due_at=timezone.now() - timedelta(hours=1))
    assert titles(page(ask(state="scheduled"))) == ["later"]
    assert sorted(titles(page(ask(state="queued")))) == ["now", "past"]
    assert len(page(ask(state="PENDING")).jobs) == 3


def test_filters_hold_together(alice, bob):  # noqa: F811
    make_job("a", owner=alice, kind="image", state="FAILURE", error="Disk full", error_type="OSError")
    make_job("b", owner=bob, kind="image", state="FAILURE")
    make_job("c", owner=alice, kind="email", state="FAILURE", ago=8000)
    assert titles(page(ask(owner="alice", state="failed"))) == ["a", "c"]
    assert titles(page(ask(owner="alice", kind="image"))) == ["a"]
    assert titles(page(ask(owner="alice", since="2h"))) == ["a"]
    assert titles(page(ask(until="1h"))) == ["c"]
    assert titles(page(ask(q="error:oserror"))) == ["a"]


def test_an_id_is_found_by_its_start():
    job = make_job("wanted", id="0199f3c2-7a11-7000-8000-000000000001")
    make_job("other", id="0199f3c3-7a11-7000-8000-000000000001")
    assert [one.id for one in page(ask(q="0199f3c2")).jobs] == [job.id]


def test_counts_are_one_statement_and_bounded(monkeypatch, alice):  # noqa: F811
    monkeypatch.setattr(counting, "CAP", 3)
    for number in range(5):
        make_job(str(number), owner=alice)
    make_job("f", state="FAILURE")
    make_job("s", state="PENDING", due_at=timezone.now() + timedelta(hours=1))
    with CaptureQueriesContext(connection) as queries:
        found = by_state(Query())
    assert len(queries) == 1
    assert {key: str(count) for key, count in found.items()} == {
        "scheduled": "1", "queued": "0", "running": "0", "retrying": "0", "succeeded": "3+", "failed": "1",
        "cancelled": "0",
    }  # fmt: skip
    assert str(by_state(Query(owner=alice.pk))["failed"]) == "0"
    assert str(by_state(Query(words=("f",)))["failed"]) == "1"


def test_new_jobs_and_neighbours_are_told():
    jobs = [make_job(str(number), ago=10 * number) for number in range(4)]
    cursor = page(Query(), page(Query(), limit=2).next, 2).previous
    assert newer_than(Query(), cursor) == 2
    assert newer_than(Query(), "") == 4
    newer, older = neighbours(Query(), jobs[1])
    assert (newer.title, older.title) == ("0", "2")
    assert neighbours(Query(), jobs[0])[0] is None


@pytest.mark.skipif(connection.vendor != "sqlite", reason="plans are read as SQLite writes them")
@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({}, "job_newest"),
        ({"state": "failed"}, "job_state"),
        ({"kind": "image"}, "job_kind"),
        ({"queue": "io"}, "job_queue"),
        ({"owner": "alice"}, "job_owner"),
        ({"state": "failed", "kind": "image"}, "job_kind_state"),
        ({"state": "failed", "owner": "alice"}, "job_owner_state"),
        ({"state": "failed", "queue": "io"}, "job_queue"),
        ({"owner": "alice", "kind": "image"}, "job_owner"),
        ({"owner": "alice", "since": "2h"}, "job_owner"),
    ],
)
def test_every_list_walks_an_index_in_its_order(filters, index, alice):  # noqa: F811
    question = ask(**filters)
    cursor = str(paging.Cursor(timezone.now(), 10))
    for token in ("", cursor):
        with CaptureQueriesContext(connection) as queries:
            page(question, token)
        with connection.cursor() as db:
            db.execute(f"EXPLAIN QUERY PLAN {queries[-1]['sql']}")
            plan = [row[3] for row in db.fetchall()]
        steps = [step for step in plan if "jobs_job" in step]
        assert len(steps) == 1 and f"INDEX {index}" in steps[0], plan
        assert not any("TEMP B-TREE" in step for step in plan), plan


def test_rows_of_lists_need_no_further_query(alice):  # noqa: F811
    make_job("a", owner=alice)
    job = page(Query()).jobs[0]
    with CaptureQueriesContext(connection) as queries:
        shown = (job.shown, job.kind_label, job.is_cancelling, job.get_absolute_url(), job.owner.get_username())
    assert shown == ("succeeded", "Send email", False, f"/jobs/{job.id}/", "alice")
    assert len(queries) == 0
