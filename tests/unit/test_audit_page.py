"""The page Audit: who did what, newest first, filtered and page by page."""

import pytest

from jobs.models import AuditEntry
from jobs.web.pages import audit
from tests.unit.job_rows import alice, bob, make_job, olga, users  # noqa: F401

pytestmark = pytest.mark.django_db


def see(client, reader, **data):
    client.force_login(reader)
    answer = client.get("/audit", data)
    assert answer.status_code == 200
    return answer


def targets(answer):
    return [row["entry"].target for row in answer.context["rows"]]


def test_submitters_do_not_find_it(client, alice):  # noqa: F811
    assert client.get("/audit").url.startswith("/login")
    client.force_login(alice)
    assert client.get("/audit").status_code == 404


def test_who_did_what_to_what_and_how(client, alice, olga):  # noqa: F811
    job = make_job("Autumn newsletter", owner=alice)
    AuditEntry.record(alice, "submit", job=job, via="api")
    AuditEntry.record(olga, "pause", target="queue io", via="form", note="<b>", password="geheim")
    page = see(client, olga).content.decode()
    assert page.index("queue io") < page.index("Autumn newsletter")
    assert job.get_absolute_url() in page and "alice" in page and ">api<" in page
    assert "&lt;b&gt;" in page and "<b>" not in page and "geheim" not in page


def test_what_happened_by_itself_is_jobsites(client, olga):  # noqa: F811
    AuditEntry.record(None, "prune", target="old jobs")
    AuditEntry.record(olga, "pause", target="queue io")
    assert ">Jobsite<" in see(client, olga).content.decode()
    assert targets(see(client, olga, user="jobsite")) == ["old jobs"]


def test_filters_by_user_and_action(client, alice, olga):  # noqa: F811
    AuditEntry.record(alice, "cancel", target="1")
    AuditEntry.record(olga, "cancel", target="2")
    AuditEntry.record(olga, "retry", target="3")
    assert targets(see(client, olga, user="olga", action="cancel")) == ["2"]
    assert targets(see(client, olga, action="cancel")) == ["2", "1"]
    assert "Nothing matches." in see(client, olga, action="dance").content.decode()


def test_an_unknown_user_is_said_and_nothing_shown(client, olga):  # noqa: F811
    AuditEntry.record(olga, "retry", target="3")
    answer = see(client, olga, user="nobody")
    assert "There is no user “nobody”" in answer.content.decode() and targets(answer) == []


def test_pages_follow_each_other_without_a_gap(client, olga):  # noqa: F811
    for number in range(audit.PAGE * 2 + 5):
        AuditEntry.record(olga, "retry", target=str(number))
    answer, seen = see(client, olga), []
    while True:
        seen += targets(answer)
        if not answer.context["older"]:
            break
        answer = client.get(answer.context["older"])
    assert seen == [str(number) for number in reversed(range(audit.PAGE * 2 + 5))]
    assert client.get(answer.context["newer"]).context["older"]


def test_a_rare_filter_reads_a_bounded_part_and_goes_on_where_asked(client, olga, monkeypatch):  # noqa: F811
    monkeypatch.setattr(audit, "WINDOW", 10)
    AuditEntry.record(olga, "pause", target="rare")
    for number in range(25):
        AuditEntry.record(olga, "retry", target=str(number))
    answer, steps = see(client, olga, action="pause"), 0
    while not targets(answer):
        assert "Searched back to" in answer.content.decode()
        answer = client.get(answer.context["older"])
        steps += 1
    assert targets(answer) == ["rare"] and steps == 2


def test_nothing_yet(client, olga):  # noqa: F811
    assert "Nobody has done anything yet." in see(client, olga).content.decode()
    assert client.get("/audit?before=x").status_code == 200
