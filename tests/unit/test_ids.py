"""Ids that Celery code may give its tasks, and the addresses that lead to them."""

import sys
from datetime import UTC, datetime
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from jobs.browse.represent import address
from jobs.core.errors import Refused
from jobs.core.ids import LONGEST, from_address, stored_id, to_address
from jobs.models import Job
from jobs.submit import submit
from jobs.web import words

IDS = [
    "order-42", "nightly sync", "a/b", "/a/", "a//b", "..", "a/../b", ".", "two\nlines", "tab\there", "back\\slash",
    "100%", "%2e%2e", "~tilde", "~", "?x=1#y", "名前", "\u202eright to left", "e\u0301", "<b>", "{{ x }}", "logs",
    "a/logs", "live", "x" * 255, "ends\n", "\nbegins", "&amp;", "'quoted'\"", "\u2028", "a;b", "+", "a b ", " ",
]  # fmt: skip


@pytest.mark.parametrize("job", IDS)
def test_an_address_leads_back_to_its_id(job):
    assert from_address(to_address(job)) == job


def test_a_long_id_is_kept_by_its_beginning_and_a_digest_and_found_by_itself():
    one, other = "x" * 300, "x" * 299 + "y"
    assert len(stored_id(one)) == LONGEST and stored_id(one) != stored_id(other)
    assert from_address(to_address(one)) == stored_id(one) == from_address(to_address(stored_id(one)))


@pytest.mark.django_db
@pytest.mark.parametrize("job", IDS)
def test_whatever_a_jobs_id_is_lists_and_its_own_page_and_call_show_it(client, job):
    client.force_login(User.objects.create_user("olga", is_staff=True))
    row = Job.objects.create(id=job, kind="t", is_kind=False, title="Odd", state="SUCCESS", via="celery", queue="cpu")
    assert client.get("/jobs").status_code == 200
    assert client.get("/api/v1/jobs").json()["items"][0]["id"] == job
    assert client.get(row.get_absolute_url()).status_code == 200
    assert client.get(address(row)).json()["id"] == job
    assert client.get(f"{address(row)}/attempts").status_code == 200
    assert (
        "\n" not in row.get_absolute_url()
        and quote(row.get_absolute_url(), safe="/%~!$&'()*+,;=:@") == row.get_absolute_url()
    )


@pytest.mark.parametrize("year", [1, 1900, 2200, 9999])
@pytest.mark.django_db
def test_nothing_is_planned_for_a_time_that_no_clock_shows(year):
    at = datetime(year, 12, 31, 23, 59, tzinfo=UTC)
    with pytest.raises(Refused, match="from the year 2000 to 2199"):
        submit("add", {"x": 1, "y": 2}, due_at=at)


@pytest.mark.django_db
@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC"])
@pytest.mark.parametrize("at", [datetime.max.replace(tzinfo=UTC), datetime.min.replace(tzinfo=UTC)])
def test_a_stored_moment_at_the_end_of_the_calendar_breaks_no_page(client, at, zone):
    client.force_login(User.objects.create_user("olga", is_staff=True))
    row = Job.objects.create(
        kind="t", is_kind=False, title="Odd", queue="cpu", due_at=at, created=at, changed=at, started_at=at,
        finished_at=at, published_at=at, next_check_at=at, state="RETRY",
    )  # fmt: skip
    with timezone.override(zone):
        for path in ("/", "/jobs", row.get_absolute_url(), "/api/v1/jobs", address(row), "/jobs?sort=created"):
            assert client.get(path).status_code == 200, path
        assert words.relative(at, timezone.now()) and words.exact(at)


class TestQueues:
    @pytest.fixture
    def ann(self, db):
        return User.objects.create_user("ann")

    def test_a_kind_that_was_moved_is_submitted_by_anybody(self, ann, settings, client, monkeypatch):
        monkeypatch.setattr(sys.modules["jobs.submit.terms"], "pool_of", lambda kind: "cpu")
        client.force_login(ann)
        assert submit("add", {"x": 1, "y": 2}, user=ann).queue == "cpu"
        body = {"kind": "add", "params": {"x": 1, "y": 2}}
        answer = client.post("/api/v1/jobs", body, content_type="application/json")
        assert (answer.status_code, answer.json()["queue"]) == (202, "cpu")

    def test_a_queue_of_the_settings_is_chosen_by_operators_alone(self, ann, settings, client):
        settings.JOBSITE_QUEUES = {"io": ["slow"]}
        olga = User.objects.create_user("olga", is_staff=True)
        assert submit("add", {"x": 1, "y": 2}, user=olga, queue="slow").queue == "slow"
        with pytest.raises(Refused, match="Only operators choose a queue"):
            submit("add", {"x": 1, "y": 2}, user=ann, queue="slow")
        with pytest.raises(Refused, match="expected io, cpu, slow"):
            submit("add", {"x": 1, "y": 2}, user=olga, queue="sloow")
        client.force_login(olga)
        page = client.post(
            "/new/add", {"x": "1", "y": "2", "job-start": "now", "job-priority": "normal", "job-queue": "slow"}
        )
        assert page.status_code == 302 and Job.objects.latest("seq").queue == "slow"
