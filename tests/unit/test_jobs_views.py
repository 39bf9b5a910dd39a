"""What each user makes of the page Jobs: views under a name, and columns."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import ChosenColumns, SavedView
from jobs.web.pages import columns, views
from tests.unit.job_rows import alice, bob, make_job, olga, users  # noqa: F401

pytestmark = pytest.mark.django_db


def page(client, **asked):
    answer = client.get("/jobs", asked)
    assert answer.status_code == 200
    return answer


def save(client, name, query):
    return client.post("/jobs/views", {"name": name, "query": query, "back": "/jobs"}, follow=True)


def heads(client):
    return [column.key for column in page(client).context["columns"]]


def test_a_view_is_saved_opened_and_deleted(client, olga):  # noqa: F811
    client.force_login(olga)
    assert "Search or choose a state, then save it here." in page(client).content.decode()
    answer = save(client, "Broken mail", "state=failed&q=kind%3Aemail&cursor=x")
    assert answer.redirect_chain[-1][0] == "/jobs?state=failed&q=kind%3Aemail"
    text = answer.content.decode()
    assert "Saved: Broken mail." in text
    assert '<a class="menu-item clip" href="/jobs?state=failed&amp;q=kind%3Aemail" aria-current="page">' in text
    assert not page(client).context["views"][0]["current"]
    view = SavedView.objects.get()
    answer = client.post(f"/jobs/views/{view.pk}/delete", {"back": "/jobs?state=failed"}, follow=True)
    assert "Deleted: Broken mail." in answer.content.decode() and not SavedView.objects.exists()


def test_a_view_saved_under_the_same_name_is_replaced(client, olga):  # noqa: F811
    client.force_login(olga)
    save(client, "Mine", "state=failed")
    save(client, "Mine", "state=running")
    assert [view.query for view in SavedView.objects.all()] == ["state=running"]


@pytest.mark.parametrize(
    ("name", "query", "said"),
    [
        ("", "state=failed", "Name: This field is required."),
        ("x" * 61, "state=failed", "Name: Ensure this value has at most 60 characters"),
        ("Mine", "", "Query: This field is required."),
        ("Mine", "q=stat%3Afailed", "Query: This search cannot be understood; mend it first."),
    ],
)
def test_what_cannot_be_saved_is_said_with_its_field(client, olga, name, query, said):  # noqa: F811
    client.force_login(olga)
    assert said in save(client, name, query).content.decode()
    assert not SavedView.objects.exists()


def test_there_is_a_most_of_views(client, olga, monkeypatch):  # noqa: F811
    monkeypatch.setattr(views, "MOST", 1)
    client.force_login(olga)
    save(client, "One", "state=failed")
    assert "1 views are the most: delete one first." in save(client, "Two", "state=failed").content.decode()
    assert "Saved: One." in save(client, "One", "state=running").content.decode()


def test_views_are_each_users_own(client, alice, bob):  # noqa: F811
    client.force_login(alice)
    save(client, "Of alice", "state=failed")
    client.force_login(bob)
    save(client, "Of alice", "state=running")
    assert [one["view"].query for one in page(client).context["views"]] == ["state=running"]
    of_alice = SavedView.objects.get(user=alice)
    assert client.post(f"/jobs/views/{of_alice.pk}/delete").status_code == 404
    assert SavedView.objects.count() == 2


def test_chosen_columns_are_remembered_until_the_usual_ones_are_asked_for(client, olga):  # noqa: F811
    client.force_login(olga)
    assert heads(client) == ["owner", "queue", "took", "changed"]
    chosen = {"column": ["id", "worker", "nonsense"], "back": "/jobs?q=x"}
    assert client.post("/jobs/columns", chosen).url == "/jobs?q=x"
    job = make_job(worker="io@web-1")
    text = page(client).content.decode()
    assert heads(client) == ["worker", "id"] and ">Worker</th>" in text and ">Took</th>" not in text
    assert text.count("io@web-1") == 2  # the cell and its title
    fragment = client.get("/jobs/rows", {"id": job.id}).content.decode()
    assert "io@web-1" in fragment and "cell-changed" not in fragment
    client.post("/jobs/columns", {"usual": "1"})
    assert heads(client) == ["owner", "queue", "took", "changed"] and not ChosenColumns.objects.exists()


def test_every_column_is_drawn_of_jobs_in_every_state(client, olga):  # noqa: F811
    client.force_login(olga)
    client.post("/jobs/columns", {"column": [column.key for column in columns.COLUMNS]})
    now = timezone.now()
    make_job(owner=olga, published_at=now, started_at=now + timedelta(seconds=3), finished_at=now, attempt=2)
    for state in ("PENDING", "STARTED", "RETRY", "FAILURE", "REVOKED"):
        make_job(state=state, priority=4)
    text = page(client).content.decode()
    assert '<td class="num cell-hide">3.0 s</td>' in text and "2 of 2" in text and "a form" in text
    assert text.count("<td ") == 6 * (3 + len(columns.COLUMNS))


def test_submitters_choose_no_columns_for_operators(client, alice):  # noqa: F811
    client.force_login(alice)
    client.post("/jobs/columns", {"column": ["owner", "worker", "priority"]})
    assert heads(client) == ["priority"]
    assert 'value="worker"' not in page(client).content.decode()


def test_the_states_are_a_form_too_which_keeps_the_search(client, olga):  # noqa: F811
    client.force_login(olga)
    make_job(state="FAILURE")
    text = page(client, q="state:failed kind:email", owner="olga").content.decode()
    form = text.split('<form class="jobs-states')[1].split("</form>")[0]
    assert '<input type="hidden" name="q" value="kind:email">' in form and 'name="owner" value="olga"' in form
    assert '<option value="failed" selected>' in form and 'type="hidden" name="state"' not in form
