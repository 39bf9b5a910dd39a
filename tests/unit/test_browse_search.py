"""Full text search: words, prefixes, and an index that follows the rows; the same on both databases."""

import pytest
from django.db import connection

from jobs.browse import page as paging
from jobs.browse import search
from jobs.browse.filters import JobFilter
from jobs.browse.page import page
from jobs.core.search_words import add_words
from jobs.models import Job
from tests.unit.job_rows import alice, make_job, users  # noqa: F401

pytestmark = pytest.mark.django_db


def found(viewer=None, limit=50, **data):
    form = JobFilter(data, viewer=viewer)
    assert form.is_valid(), form.errors
    return [job.title for job in page(form.query, limit=limit).jobs]


def test_words_match_from_their_start_in_any_order_and_all_of_them():
    make_job("Autumn newsletter for München")
    make_job("Spring newsletter")
    make_job("Invoice 2231", error_type="SMTPAuthenticationError", state="FAILURE")
    assert found(q="news") == ["Spring newsletter", "Autumn newsletter for München"]
    assert found(q="NEWS* aut") == found(q="munchen") == ["Autumn newsletter for München"]
    assert found(q="authentication") == found(q="error:smtpauth") == found(q="2231") == ["Invoice 2231"]
    assert found(q="letter") == []
    assert found(q="newsletter", state="failed") == []


@pytest.mark.parametrize(
    "text", ['"', "''", "a' OR", "news AND", "(news", "news:*", "-news", "NEAR(", "& | !", "\\", "%s", "*"]
)
def test_no_text_breaks_the_query(text):
    make_job("news")
    JobFilter({"q": text}).is_valid()
    form = JobFilter({"q": text})
    if form.is_valid():
        page(form.query)
    else:
        assert form.errors["q"]


def test_the_index_follows_changes_and_deletes():
    job = make_job("First")
    Job.objects.filter(pk=job.pk).update(search=add_words(job.search, "TimeoutError: too slow"))
    assert found(q="timeout") == found(q="first") == ["First"]
    Job.objects.filter(pk=job.pk).update(search="second")
    assert found(q="timeout") == [] and found(q="second") == ["First"]
    job.delete()
    assert found(q="second") == []


def test_hits_are_paged_newest_first_without_gap(monkeypatch):
    for number in range(7):
        make_job(f"news {number}", state="FAILURE" if number % 2 else "SUCCESS")
    form = JobFilter({"q": "news"})
    assert form.is_valid()
    seen, cursor = [], ""
    while cursor is not None:
        one = page(form.query, cursor, 3)
        seen += [job.title for job in one.jobs]
        cursor = one.next
    assert seen == [f"news {number}" for number in reversed(range(7))]
    monkeypatch.setattr(paging, "SEARCH_WINDOW", 3)
    narrowed = form.query.replace(state="failed")
    first = page(narrowed, limit=3)
    assert [job.title for job in first.jobs] == ["news 5"] and first.searched_back_to
    assert [job.title for job in page(narrowed, first.next, 3).jobs] == ["news 3", "news 1"]


def test_search_is_held_to_the_viewers_jobs(alice, users):  # noqa: F811
    make_job("mine, news", owner=alice)
    make_job("of bob, news", owner=users["bob"])
    assert found(viewer=alice, q="news") == ["mine, news"]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="only SQLite keeps its index by triggers")
def test_a_rebuilt_table_gets_its_triggers_and_index_back():
    make_job("before")
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER jobs_search_insert")
    make_job("between")
    assert found(q="between") == []
    search.install()
    make_job("after")
    assert (found(q="before"), found(q="between"), found(q="after")) == (["before"], ["between"], ["after"])


@pytest.mark.skipif(connection.vendor != "postgresql", reason="the plan is PostgreSQL's")
def test_postgresql_has_the_index_for_the_words():
    make_job("news")
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            "EXPLAIN SELECT seq FROM jobs_job WHERE to_tsvector('simple', search) @@ to_tsquery('simple', 'news:*')"
        )
        assert any("jobs_search" in row[0] for row in cursor.fetchall())
