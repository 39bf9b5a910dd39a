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
from jobs.core.redaction import MASK
from jobs.core.signature import signature_of
from jobs.models import AuditEntry, IgnoredFailure, Job, Workflow
from jobs.web.nav import nav_for
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


def act(client, action, job):
    """Press a button of the job's group."""
    return client.post("/failures/act", {"action": action, "signature": job.signature}, follow=True)


def test_submitters_do_not_find_it(client, alice):  # noqa: F811
    job = failed(owner=alice)
    assert client.get("/failures").url.startswith("/login")
    client.force_login(alice)
    assert client.get("/failures").status_code == 404
    assert act(client, "retry", job).status_code == 404
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
    page = act(client, "retry", group[0]).content.decode()
    assert "2 jobs started again." in page
    states = dict(Job.objects.values_list("pk", "state"))
    assert states == {group[0].pk: "PENDING", group[1].pk: "PENDING", other.pk: "FAILURE"}
    assert AuditEntry.objects.filter(action="retry").count() == 2
    entry = AuditEntry.objects.get(action="retry group")
    assert (entry.target, entry.detail["started"]) == (group[0].signature, 2)
    page = act(client, "retry", group[0]).content.decode()
    assert "None of them is failed any more." in page


def test_one_press_is_bounded_and_says_that_there_are_more(client, olga, monkeypatch):  # noqa: F811
    monkeypatch.setattr(failures_page, "MOST_RETRIED", 2)
    jobs = [failed(ago=ago) for ago in (10, 20, 30)]
    assert "Retry newest 2" in see(client, olga)
    page = act(client, "retry", jobs[0]).content.decode()
    assert "2 jobs started again. There are more" in page
    jobs[2].refresh_from_db()
    assert jobs[2].state == "FAILURE"


def test_steps_are_led_to_their_workflow_and_no_button_promises_what_it_cannot_do(client, olga):  # noqa: F811
    photos = Workflow.objects.create(title="Photos", owner=olga)
    steps = [failed(workflow=photos) for _ in range(5)]
    page = see(client, olga)
    assert f'href="{photos.get_absolute_url()}">Retry 5 in their workflow<' in page and 'value="retry"' not in page
    page = act(client, "retry", steps[0]).content.decode()
    assert "Steps of a workflow are retried with it" in page and "started" not in page
    other = Workflow.objects.create(title="Other", owner=olga)
    failed(kind="image", workflow=other)
    assert 'href="/workflows">Retry 6 in their workflows<' in see(client, olga)


def test_jobs_behind_many_steps_are_reached_and_what_celery_tied_is_retried(client, olga, monkeypatch):  # noqa: F811
    monkeypatch.setattr(failures_page, "MOST_RETRIED", 2)
    photos = Workflow.objects.create(title="Photos", owner=olga)
    canvas = Workflow.objects.create(title="Canvas", owner=olga, is_canvas=True)
    for _ in range(3):
        failed(ago=10, workflow=photos)
    plain, tied = failed(ago=100), failed(ago=90, workflow=canvas)
    page = see(client, olga)
    assert "Retry 2<" in page and "Retry 3 in their workflow<" in page
    page = act(client, "retry", plain).content.decode()
    assert "2 jobs started again.<" in page and "left alone" not in page
    assert set(Job.objects.filter(state="PENDING")) == {plain, tied}


def test_why_jobs_of_a_group_are_left_alone_is_told(client, olga):  # noqa: F811
    job = failed()
    for _ in range(2):
        failed(kind="shop.pay", is_kind=False, params={"args": [], "kwargs": {"token": MASK}})
    client.force_login(olga)
    page = act(client, "retry", job).content.decode()
    assert "1 job started again." in page
    assert "2 left alone: This job cannot be run again from here: it was sent by Celery code" in page


def test_an_ignored_group_is_hidden_until_it_recurs(client, olga):  # noqa: F811
    job, other = failed(ago=100), failed("disk full", "OSError", ago=200)
    client.force_login(olga)
    assert "is ignored until it recurs" in act(client, "ignore", job).content.decode()
    found = failures.groups()
    assert [[group.signature for group in part] for part in (found.groups, found.ignored)] == [
        ["OSError: disk full"],
        [job.signature],
    ]
    assert "Ignored until they recur: 1" in see(client, olga)
    failed("timed out after 7 s", ago=-1)
    found = failures.groups()
    assert [group.total for group in found.groups] == [2, 1] and not found.ignored
    entries = AuditEntry.objects.filter(action="ignore group").values_list("user__username", "target")
    assert list(entries) == [("olga", job.signature)] and other.signature in see(client, olga)


def test_an_ignored_group_is_shown_again_on_request(client, olga):  # noqa: F811
    job = failed()
    client.force_login(olga)
    act(client, "ignore", job)
    assert "Nothing failed in 7 days but what is ignored." in see(client, olga)
    assert "is shown again" in act(client, "heed", job).content.decode()
    assert [group.signature for group in failures.groups().groups] == [job.signature]
    assert AuditEntry.objects.filter(action="show group again", target=job.signature).exists()
    assert "There is no such failure any more." in act(client, "heed", job).content.decode()


def test_what_did_not_fail_is_not_ignored(client, olga):  # noqa: F811
    client.force_login(olga)
    answer = client.post("/failures/act", {"action": "ignore", "signature": "Nonsense"}, follow=True)
    assert "There is no such failure any more." in answer.content.decode()
    assert not IgnoredFailure.objects.exists()


def test_what_is_ignored_is_neither_counted_in_the_nav_nor_a_warning(client, olga):  # noqa: F811
    old = failed(ago=50)
    failed("disk full", "OSError")
    client.force_login(olga)
    assert "2 jobs failed in 24 hours." in client.get("/").content.decode()
    act(client, "ignore", old)
    page = client.get("/").content.decode()
    assert "1 job failed in 24 hours." in page and "disk full" in page and "timed out" not in page
    assert [item.count for item in nav_for(client.get("/").wsgi_request) if item.name == "failures"] == ["1"]


def test_nothing_failed_is_said(client, olga):  # noqa: F811
    assert "Nothing failed in 7 days." in see(client, olga)
