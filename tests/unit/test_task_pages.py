"""Other people's Celery tasks in the browser: listed for operators, filled in, submitted, run again."""

import pytest

from jobs.core.errors import Conflict, Refused
from jobs.core.redaction import decrypt
from jobs.models import Job
from jobs.submit import rerun, retry
from jobs.submit.foreign import submit_task
from jobs.submit.messages import message_for
from tests.unit.foreign_tasks import NAME

pytestmark = pytest.mark.django_db
URL = f"/new/task/{NAME}"


@pytest.fixture
def olga(django_user_model):
    return django_user_model.objects.create_user("olga", is_staff=True)


@pytest.fixture
def page(client, olga):
    client.force_login(olga)
    return client


def filled(**values):
    return {"job-start": "now", "job-title": "", "job-priority": "normal", "job-queue": "cpu"} | {
        f"arg-{name}": value for name, value in values.items()
    }


class TestWho:
    def test_operators_see_them_in_a_group_of_their_own(self, page):
        html = page.get("/new").text
        assert "Celery tasks" in html and f'href="{URL}add"' in html and "Add two numbers." in html
        assert "celery.backend_cleanup" not in html and ">jobs.add<" not in html

    def test_submitters_do_not(self, client, django_user_model):
        lena = django_user_model.objects.create_user("lena")
        client.force_login(lena)
        assert "Celery tasks" not in client.get("/new").text
        assert client.get(f"{URL}add").status_code == 404
        assert client.post(f"{URL}add", filled(x="1", y="2")).status_code == 404
        with pytest.raises(Refused, match="Only operators"):
            submit_task(f"{NAME}add", [1], user=lena)

    def test_no_such_task(self, page):
        assert page.get("/new/task/no.such").status_code == 404
        assert page.get("/new/task/celery.backend_cleanup").status_code == 404


class TestForm:
    def test_it_shows_the_signature(self, page):
        html = page.get(f"{URL}typed").text
        for name in ("count", "name", "ratio", "loud", "at", "mode"):
            assert f'name="arg-{name}"' in html
        assert "self" not in html.split("<form", 2)[1].split("name=")[0]
        assert 'value="0.5"' in html and 'type="datetime-local"' in html

    def test_submitting_makes_the_job(self, page, olga):
        answer = page.post(f"{URL}add", filled(x="3", y="[1]") | {"job-title": "Three"})
        job = Job.objects.get()
        assert answer.url == job.get_absolute_url()
        assert (job.kind, job.is_kind, job.title, job.owner, job.via) == (f"{NAME}add", False, "Three", olga, "form")
        assert job.params == {"args": [], "kwargs": {"x": 3, "y": [1]}}
        assert (job.queue, job.max_attempts) == ("cpu", 1)

    def test_the_tasks_own_queue_is_taken(self, page):
        page.post(f"{URL}typed", filled(count="1", name="a") | {"job-queue": "io"})
        assert Job.objects.get().queue == "io"

    def test_errors_stand_beside_their_fields(self, page):
        answer = page.post(f"{URL}typed", filled(count="one", name="", tags='["a", 1]'))
        assert answer.status_code == 422
        assert '<a href="#id_arg-count">Count</a>: Enter a whole number.' in answer.text
        assert '<a href="#id_arg-name">Name</a>: Fill this in.' in answer.text
        assert "Expected a JSON list of texts." in answer.text
        assert "[&quot;a&quot;, 1]" in answer.text
        assert not Job.objects.exists()

    def test_what_will_happen(self, page):
        html = page.post(f"{URL}add/preview", filled(x="1", y="")).text
        assert f"<dd>{NAME}add</dd>" in html and "<dt>Starts</dt>" in html
        assert "Still to fill in: X." in page.post(f"{URL}add/preview", filled(x="")).text

    def test_one_form_makes_one_job(self, page):
        for _ in range(2):
            page.post(f"{URL}login", filled(user="u", password="p") | {"key": "abc"})
        assert Job.objects.count() == 1
        assert page.post(f"{URL}login", filled(user="v", password="p") | {"key": "abc"}).status_code == 422

    def test_parameters_called_as_the_pages_own_inputs(self, page):
        page.post(f"{URL}awkward", filled(prefix="p", data="d", fields="", check="on", kwargs='{"key": 1}'))
        assert Job.objects.get().params["kwargs"] == {"prefix": "p", "data": "d", "check": True, "key": 1}


class TestSecrets:
    @pytest.fixture
    def old(self, page):
        page.post(f"{URL}login", filled(user="u", password="hunter2", settings='{"token": "t"}'))
        return Job.objects.get()

    def test_stored_as_ciphertext_sent_in_clear_shown_masked(self, page, old):
        assert decrypt(old.params["kwargs"]["password"]) == "hunter2"
        assert message_for(old).kwargs == {"user": "u", "password": "hunter2", "settings": {"token": "t"}}
        html = page.get(f"{old.get_absolute_url()}?tab=parameters").text
        assert "hunter2" not in html and "encrypted:" not in html

    def test_edit_and_rerun_keeps_what_is_left_empty(self, page, old):
        assert f"/new/task/{NAME}login?from={old.id}" in page.get(old.get_absolute_url()).text
        html = page.get(f"{URL}login?from={old.id}").text
        assert 'value="u"' in html and "hunter2" not in html
        page.post(f"{URL}login?from={old.id}", filled(user="w", password="", settings="") | {"from": old.id})
        new = Job.objects.exclude(pk=old.pk).get()
        assert new.rerun_of == old
        assert message_for(new).kwargs == {"user": "w", "password": "hunter2"}

    @pytest.mark.parametrize("secret", ["••••••", "encrypted:under another key", 1234])
    def test_a_secret_that_nobody_can_read_is_asked_for(self, page, secret):
        old = Job.objects.create(
            kind=f"{NAME}login", is_kind=False, title="Login", queue="cpu", state="FAILURE", via="celery",
            params={"args": ["u"], "kwargs": {"password": secret}},
        )  # fmt: skip
        asked = "Give it again: what was stored cannot be read any more."
        assert asked in page.get(f"{URL}login?from={old.id}").text
        sent = filled(user="u", password="", settings="") | {"from": old.id}
        assert "Still to fill in: Password." in page.post(f"{URL}login/preview", sent).text
        assert page.post(f"{URL}login", sent).status_code == 422
        assert page.post(f"{URL}login", sent | filled(password="p")).status_code == 302

    def test_a_mask_is_not_taken_for_a_secret(self, page, old):
        answer = page.post(f"{URL}login", filled(user="u", password="p", settings='{"token": "••••••"}'))
        assert answer.status_code == 422 and "give it again" in answer.text


class TestAgain:
    def recorded(self, **kwargs):
        return Job.objects.create(
            kind=f"{NAME}login", is_kind=False, title="Login", queue="cpu", state="FAILURE", via="celery",
            params={"args": ["u"], "kwargs": kwargs},
        )  # fmt: skip

    def test_a_retry_sends_what_celery_code_sent(self, db):
        at = {"__type__": "datetime", "__value__": "2030-01-31T07:00:00+01:00"}
        job = retry(self.recorded(at=at))
        assert (job.attempt, job.state) == (2, "PENDING")
        assert (message_for(job).args, message_for(job).kwargs) == (["u"], {"at": at})

    def test_a_retry_with_masked_secrets_is_refused(self, page):
        job = self.recorded(password="••••••")
        with pytest.raises(Conflict, match="masked when it was recorded"):
            retry(job)
        page.post(f"{job.get_absolute_url()[:-1]}/retry")
        job.refresh_from_db()
        assert (job.attempt, job.state) == (1, "FAILURE")
        with pytest.raises(Refused, match="give it again"):
            rerun(job)

    def test_a_rerun_takes_new_arguments_by_name(self, olga):
        old = submit_task(f"{NAME}spread", [1, 2, 3], {"z": 1}, user=olga)
        new = rerun(old, olga, {"first": 9, "last": "q"})
        assert new.params == {"args": [9, 2, 3], "kwargs": {"last": "q", "z": 1}}
        with pytest.raises(Refused, match="Unknown parameter"):
            rerun(old, olga, {"nothing": 1})
