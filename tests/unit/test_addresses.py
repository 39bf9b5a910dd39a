"""Pages are found with and without a slash at the end; links are written one way."""

import pytest
from django.urls import NoReverseMatch, reverse

from jobs.models import Workflow
from jobs.web import urls
from tests.unit.job_rows import make_job, olga, users  # noqa: F401

pytestmark = pytest.mark.django_db
NAMES = [pattern.name for pattern in urls._pages if pattern.name]


def plain_pages():
    """Pages without arguments; what lies below jobs/ is not among them, since an id may be called so."""
    found = []
    for name in NAMES:
        try:
            url = reverse(name)
        except NoReverseMatch:
            continue  # it needs an argument
        if not url.startswith("/jobs/"):
            found.append((name, url))
    return found


@pytest.mark.parametrize(("name", "url"), plain_pages())
def test_a_page_answers_alike_with_a_slash_and_without(client, olga, name, url):  # noqa: F811
    client.force_login(olga)
    assert url == "/" or not url.endswith("/")
    plain, slashed = client.get(url), client.get(f"{url}/" if url != "/" else url)
    assert plain.status_code == slashed.status_code != 404 and plain.headers.get("Location") == slashed.headers.get(
        "Location"
    )


def test_pages_with_arguments_do_so_too(client, olga):  # noqa: F811
    client.force_login(olga)
    for address in ("/new/add", "/new/add/", "/login", "/login/"):
        assert client.get(address, follow=True).status_code == 200


def test_a_job_is_found_with_and_without_whatever_its_id(client, olga):  # noqa: F811
    client.force_login(olga)
    for job_id in ("0199f3c2-plain", "a/b", "theirs/rows"):
        job = make_job("Theirs", id=job_id)
        assert client.get(job.get_absolute_url()).status_code == 200
        assert client.get(job.get_absolute_url().rstrip("/"), follow=True).status_code == 200


def test_a_workflow_is_found_with_and_without_whatever_its_id(client, olga):  # noqa: F811
    client.force_login(olga)
    for workflow_id in ("0199f3c2-plain", "a/b", "theirs/live"):
        workflow = Workflow.objects.create(id=workflow_id, title="Theirs", is_canvas=True)
        assert client.get(workflow.get_absolute_url()).status_code == 200
    plain = "/workflows/0199f3c2-plain"
    assert client.get(plain).url == f"{plain}/"
    assert client.get("/workflows").status_code == 200 and client.get("/workflows/new/").status_code == 200


def test_what_is_nowhere_stays_nowhere(client, olga):  # noqa: F811
    client.force_login(olga)
    for address in ("/nowhere", "/nowhere/", "/login//"):
        assert client.get(address, follow=True).status_code == 404
