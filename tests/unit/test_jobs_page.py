"""The page Jobs: what it shows to whom, what it costs, and its fragments and actions."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.browse.live import Overlay
from jobs.models import AuditEntry, Job
from jobs.web.pages import rows
from tests.unit.job_rows import alice, bob, make_job, olga, run_hash, users  # noqa: F401

pytestmark = pytest.mark.django_db


def get(client, user, path="/jobs/", **data):
    client.force_login(user)
    return client.get(path, data)


def text(answer):
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_page_asks_for_login(client):
    assert client.get("/jobs/").url.startswith("/login")


def test_operators_see_every_job_with_owner_and_queue(client, alice, bob, olga):  # noqa: F811
    make_job("Of alice", owner=alice)
    make_job("Of bob", owner=bob, kind="image")
    page = text(get(client, olga))
    assert "Of alice" in page and "Of bob" in page
    assert ">Owner</th>" in page and ">Queue</th>" in page


def test_submitters_see_their_own_jobs_without_owner_and_queue(client, alice, bob):  # noqa: F811
    make_job("Of alice", owner=alice)
    make_job("Of bob", owner=bob)
    page = text(get(client, alice))
    assert "My jobs" in page and "Of alice" in page and "Of bob" not in page
    assert ">Owner</th>" not in page and ">Queue</th>" not in page


def test_a_page_costs_the_same_whatever_the_number_of_jobs(client, alice, olga):  # noqa: F811
    make_job(owner=alice)
    get(client, olga)
    with CaptureQueriesContext(connection) as few:
        get(client, olga)
    for number in range(30):
        make_job(str(number), owner=alice, state="STARTED")
    with CaptureQueriesContext(connection) as many:
        get(client, olga)
    browse = [query["sql"] for query in many if "jobs_job" in query["sql"]]
    assert len(many) == len(few) and len(browse) <= 4  # the nav counts failures


def test_a_running_row_shows_progress_and_time_left(client, alice):  # noqa: F811
    job = make_job(owner=alice, state="STARTED", started_at=timezone.now() - timedelta(seconds=10))
    run_hash(job, current=2500, total=10_000, step="sent")
    page = text(get(client, alice))
    assert "2,500 of 10,000 sent" in page and 'value="0.2500"' in page and "30 s left" in page


def test_a_failed_row_shows_its_error_and_a_cancel_wish_is_told(client, olga):  # noqa: F811
    make_job(state="FAILURE", error="550 no such user <b>")
    make_job(state="STARTED", cancel_requested_at=timezone.now())
    page = text(get(client, olga))
    assert "550 no such user &lt;b&gt;" in page and "Cancelling" in page


def test_chips_count_and_take_the_place_of_the_state_in_the_search(client, olga):  # noqa: F811
    make_job(state="FAILURE")
    page = text(get(client, olga, q="state:succeeded kind:email"))
    assert 'href="/jobs?q=kind%3Aemail&amp;state=failed"' in page
    assert 'Failed<span class="count">1</span>' in page


def test_a_wrong_qualifier_is_said_and_no_job_shown(client, olga):  # noqa: F811
    make_job("Hidden")
    page = text(get(client, olga, q="stat:failed"))
    assert "<code>stat:</code> is unknown. Did you mean <code>state:</code>?" in page and "Hidden" not in page
    assert "<b>" not in text(get(client, olga, q="<b>x:1 stat:<b>"))


def test_nothing_yet_and_nothing_matching_differ(client, olga):  # noqa: F811
    assert "No jobs yet." in text(get(client, olga))
    make_job(state="FAILURE", ago=9000)
    page = text(get(client, olga, q="since:2h state:failed"))
    assert 'Nothing matches. Without <a href="/jobs?q=state%3Afailed">since:2h</a>: 1 job.' in page


def test_pages_lead_older_and_newer_by_plain_links(client, olga):  # noqa: F811
    for number in range(60):
        make_job(f"job-{number}-", ago=10 * number)
    first = get(client, olga)
    assert "job-49-" in text(first) and "job-50-" not in text(first)
    older = first.context["older"]
    second = client.get(older)
    assert "job-50-" in text(second) and second.context["newer"]
    assert client.get("/jobs/?cursor=broken&state=failed").url == "/jobs?state=failed"


def test_rows_are_given_as_fragments_only_to_who_may_see_them(client, alice, bob):  # noqa: F811
    mine, other = make_job("Mine", owner=alice), make_job("Other", owner=bob)
    page = text(get(client, alice, "/jobs/rows", id=[mine.id, other.id]))
    assert "Mine" in page and "Other" not in page and "<html" not in page


def test_new_jobs_are_counted_not_inserted(client, alice):  # noqa: F811
    make_job("First", owner=alice)
    url = get(client, alice).context["counts_url"]
    assert "new, show" not in text(client.get(url))
    make_job("Second", owner=alice, ago=0)
    make_job("Third", owner=alice, ago=0, state="FAILURE")
    page = text(client.get(url))
    assert "2 new, show" in page and "Second" not in page


def test_selected_jobs_are_cancelled_and_others_left_alone(client, alice, bob):  # noqa: F811
    mine, done = make_job(owner=alice, state="PENDING"), make_job(owner=alice)
    other = make_job(owner=bob, state="PENDING")
    client.force_login(alice)
    answer = client.post("/jobs/act", {"action": "cancel", "id": [mine.id, done.id, other.id], "back": "/jobs/?q=x"})
    assert answer.url == "/jobs/?q=x"
    states = dict(Job.objects.values_list("id", "state"))
    assert states == {mine.id: "REVOKED", done.id: "SUCCESS", other.id: "PENDING"}
    assert list(AuditEntry.objects.values_list("action", "job__id")) == [("cancel", mine.id)]
    assert client.post("/jobs/act", {"action": "cancel", "back": "//evil.example"}).url == "/jobs"


def test_without_redis_the_page_says_so(client, olga, monkeypatch):  # noqa: F811
    make_job("Shown", state="STARTED")
    monkeypatch.setattr(rows, "overlay", lambda jobs: Overlay({}, reachable=False))
    page = text(get(client, olga))
    assert "Shown" in page and "Redis does not answer." in page
