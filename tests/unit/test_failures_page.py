"""The page Failures: groups by cause, counted over time, and started again as a group."""

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs import submit
from jobs.browse import failures
from jobs.browse.filters import JobFilter
from jobs.browse.page import page as jobs_page
from jobs.core.signature import signature_of
from jobs.models import AuditEntry, Job
from jobs.web.pages import failures as failures_page
from tests.unit.job_rows import alice, bob, make_job, olga, users  # noqa: F401

pytestmark = pytest.mark.django_db


def failed(error="timed out after 30 s", error_type="TimeoutError", ago=60.0, **more):
    return make_job(
        state="FAILURE", error_type=error_type, error=error, ago=ago, signature=signature_of(error_type, error),
        finished_at=timezone.now() - timedelta(seconds=ago), **more,
    )  # fmt: skip


def see(client, user):
    client.force_login(user)
    answer = client.get("/failures")
    assert answer.status_code == 200
    return answer.content.decode()


def test_submitters_do_not_find_it(client, alice):  # noqa: F811
    job = failed(owner=alice)
    assert client.get("/failures").url.startswith("/login")
    client.force_login(alice)
    assert client.get("/failures").status_code == 404
    assert client.post("/failures/retry", {"signature": job.signature}).status_code == 404
    job.refresh_from_db()
    assert job.state == "FAILURE"


def test_failures_of_one_cause_are_one_group():
    failed("timed out after 30 s")
    failed("timed out after 4.5 s", kind="image")
    failed("disk full", "OSError")
    groups = failures.groups().groups
    assert sorted((group.signature, group.total, sorted(group.kinds)) for group in groups) == [
        ("OSError: disk full", 1, ["email"]),
        ("TimeoutError: timed out after … s", 2, ["email", "image"]),
    ]


def test_each_span_counts_what_it_holds():
    for ago in (60, 2 * 3600, 10 * 3600, 3 * 86_400, 8 * 86_400):
        failed(ago=ago)
    [group] = failures.groups().groups
    assert group.counts == {"1 h": 1, "3 h": 2, "24 h": 3, "7 d": 4}
    assert (group.last - group.first).days == 2


def test_what_did_not_fail_or_no_longer_does_is_not_counted():
    make_job(state="SUCCESS", finished_at=timezone.now())
    job = failed()
    submit.retry(job)
    job.refresh_from_db()
    assert (job.state, job.signature) == ("PENDING", "")
    assert failures.groups().groups == []


def test_the_group_that_failed_last_stands_first_with_its_newest_job(client, olga):  # noqa: F811
    failed("disk full", "OSError", ago=900, title="Old")
    failed(ago=500, title="Before")
    newest = failed(ago=100, title="Newest")
    first, second = failures.groups().groups
    assert (first.sample.pk, second.signature) == (newest.pk, "OSError: disk full")
    page = see(client, olga)
    assert "Newest" in page and "Before" not in page and newest.get_absolute_url() in page


def test_the_window_bounds_what_is_looked_at(monkeypatch):
    for ago in range(10, 100, 10):
        failed(ago=ago)
    monkeypatch.setattr(failures, "WINDOW", 4)
    found = failures.groups()
    assert found.groups[0].total == 5 and found.looked_back_to is not None


def test_the_page_costs_the_same_whatever_failed(client, olga):  # noqa: F811
    failed()
    see(client, olga)
    with CaptureQueriesContext(connection) as few:
        see(client, olga)
    for number in range(30):
        failed(f"cause {'x' * number}")
    with CaptureQueriesContext(connection) as many:
        see(client, olga)
    assert len(few) == len(many)


@pytest.mark.parametrize(
    ("error_type", "error"),
    [
        ("TimeoutError", "timed out after 30 s"),
        ("OSError", "[Errno 2] No such file: '/x/y.csv'"),
        ("KeyError", "'width'"),
        ("", "no type at all"),
    ],
)
def test_the_link_leads_to_the_jobs_of_the_group(client, olga, error_type, error):  # noqa: F811
    job = failed(error, error_type)
    failed("quite another thing", "ZeroDivisionError")
    client.force_login(olga)
    rows = client.get("/failures").context["rows"]
    url = next(row["url"] for row in rows if row["group"].signature == job.signature)
    query = parse_qs(urlsplit(url).query)["q"][0]
    form = JobFilter({"q": query}, viewer=olga)
    assert form.is_valid(), form.errors
    assert [found.pk for found in jobs_page(form.query).jobs] == [job.pk]


def test_a_group_is_started_again_and_nothing_else(client, olga):  # noqa: F811
    group = [failed("timed out after 1 s"), failed("timed out after 2 s")]
    other = failed("disk full", "OSError")
    client.force_login(olga)
    page = client.post("/failures/retry", {"signature": group[0].signature}, follow=True).content.decode()
    assert "2 jobs started again." in page
    states = dict(Job.objects.values_list("pk", "state"))
    assert states == {group[0].pk: "PENDING", group[1].pk: "PENDING", other.pk: "FAILURE"}
    assert AuditEntry.objects.filter(action="retry").count() == 2
    entry = AuditEntry.objects.get(action="retry group")
    assert (entry.target, entry.detail["started"]) == (group[0].signature, 2)
    page = client.post("/failures/retry", {"signature": group[0].signature}, follow=True).content.decode()
    assert "None of them is failed any more." in page


def test_one_press_is_bounded_and_says_that_there_are_more(client, olga, monkeypatch):  # noqa: F811
    monkeypatch.setattr(failures_page, "MOST_RETRIED", 2)
    jobs = [failed(ago=ago) for ago in (10, 20, 30)]
    assert "Retry newest 2" in see(client, olga)
    page = client.post("/failures/retry", {"signature": jobs[0].signature}, follow=True).content.decode()
    assert "2 jobs started again. There are more" in page
    jobs[2].refresh_from_db()
    assert jobs[2].state == "FAILURE"


def test_nothing_failed_is_said(client, olga):  # noqa: F811
    assert "Nothing failed in 7 days." in see(client, olga)
