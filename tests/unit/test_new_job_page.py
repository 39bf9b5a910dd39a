"""New job: kinds, forms, previews, kept files, later starts, reruns, double submits."""

import re
from datetime import datetime, timedelta

import pytest
from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from jobs.core.fields import SecretField, UploadField
from jobs.core.kind import Kind
from jobs.core.redaction import decrypt
from jobs.core.registry import all_kinds
from jobs.kinds.pack import MAX_FILES
from jobs.models import Artifact, Job


class Postcard(Kind):
    """Send a postcard to somebody."""

    slug, label, pool = "test-postcard", "Send a postcard", "io"

    class Form(forms.Form):
        text = forms.CharField(max_length=40)
        pictures = UploadField(multiple=True, required=False, accept=[".png"], max_size=100, max_count=2)
        stamp = UploadField(accept=[".png"], required=False)
        colour = forms.ChoiceField(choices=[("r", "Red"), ("g", "Green")], initial="g", widget=forms.RadioSelect)
        at = forms.DateTimeField(required=False)
        code = SecretField(required=False)
        express = forms.BooleanField(required=False)
        fieldsets = [("Delivery", ["at", "express"])]

        def clean_text(self):
            if "rain" in self.cleaned_data["text"]:
                raise forms.ValidationError("No rain on postcards; write of the sun.")
            return self.cleaned_data["text"]

    @classmethod
    def preview(cls, cleaned):
        if cleaned["text"] == "break":
            raise RuntimeError("a bug of the kind")
        return [("Text", cleaned["text"]), ("Pictures", ", ".join(file.name for file in cleaned["pictures"]))]

    def run(self, params, ctx):
        return params["text"]


URL = "/new/test-postcard"


@pytest.fixture(autouse=True)
def known_kinds(storage):
    all_kinds.cache_clear()
    yield
    all_kinds.cache_clear()


@pytest.fixture
def lena(db, django_user_model):
    return django_user_model.objects.create_user("lena")


@pytest.fixture
def page(client, lena):
    client.force_login(lena)
    return client


def png(name="sea.png", size=10):
    return SimpleUploadedFile(name, b"x" * size, "image/png")


def filled(**changes):
    return {"text": "Sun", "colour": "g", "job-start": "now", "job-title": "", "job-priority": "normal"} | changes


def kept_ids(html, field):
    return re.findall(rf'name="{field}__kept" value="([0-9a-f]+)"', html)


class TestChoosing:
    def test_each_kind_has_its_sentence(self, page):
        html = page.get("/new").text
        assert "Send a postcard" in html
        assert "Send a postcard to somebody." in html
        assert f'href="{URL}"' in html

    def test_no_such_kind(self, page):
        assert page.get("/new/nothing").status_code == 404


class TestForm:
    def test_fields_have_labels_and_help(self, page):
        html = page.get(URL).text
        for label in ("text", "at", "code", "express", "job-due_at", "job-title"):
            assert f'id="id_{label}"' in html
        assert '<label class="label" for="id_text">Text <span class="mark-word">required</span></label>' in html
        assert "PNG, each up to 100 B." in html
        assert 'type="datetime-local"' in html
        assert "<summary>Delivery</summary>" in html

    def test_submitters_choose_no_queue_and_operators_do(self, page, lena):
        assert "job-queue" not in page.get(URL).text
        lena.is_staff = True
        lena.save()
        assert "job-queue" in page.get(URL).text

    def test_submitting_makes_the_job(self, page, lena):
        answer = page.post(URL, filled(**{"job-title": "From the sea", "job-priority": "high"}))
        job = Job.objects.get()
        assert answer.status_code == 302
        assert answer.url == job.get_absolute_url()
        assert (job.title, job.priority, job.owner, job.via) == ("From the sea", 3, lena, "form")
        assert job.params["text"] == "Sun"

    def test_errors_are_summed_up_and_linked(self, page):
        answer = page.post(URL, filled(text="rain"))
        assert answer.status_code == 422
        assert '<a href="#id_text">Text</a>: No rain on postcards; write of the sun.' in answer.text
        assert 'id="id_text_error"' in answer.text
        assert 'aria-invalid="true"' in answer.text
        assert not Job.objects.exists()

    def test_a_missing_field_is_told_plainly(self, page):
        assert '<a href="#id_text">Text</a>: Fill this in.' in page.post(URL, filled(text="")).text

    def test_a_folded_section_opens_for_its_error(self, page):
        html = page.post(URL, filled(at="never")).text
        assert re.search(r'<details class="more" open>\s*<summary>Delivery', html)

    def test_check_shows_what_would_happen_and_does_nothing(self, page):
        answer = page.post(URL, filled(check="1"))
        assert answer.status_code == 200
        assert "<dt>Text</dt><dd>Sun</dd>" in answer.text
        assert not Job.objects.exists()

    def test_over_quota_is_told_on_the_page(self, page, settings):
        settings.QUOTA_UNFINISHED = 0
        answer = page.post(URL, filled())
        assert answer.status_code == 422
        assert "0 are allowed at a time" in answer.text

    def test_one_form_makes_one_job_however_often_it_is_sent(self, page):
        first = page.post(URL, filled(key="abc"))
        second = page.post(URL, filled(key="abc"))
        assert first.url == second.url
        assert Job.objects.count() == 1
        changed = page.post(URL, filled(key="abc", text="Other"))
        assert changed.status_code == 422
        assert "This form was sent before with other values." in changed.text
        assert 'name="key" value="abc"' not in changed.text


class TestLater:
    def test_due_in_the_zone_of_the_site(self, page, settings):
        settings.TIME_ZONE = "Europe/Berlin"
        timezone.get_default_timezone.cache_clear()
        try:
            page.post(URL, filled(**{"job-start": "later", "job-due_at": "2100-07-01T07:00"}))
        finally:
            timezone.get_default_timezone.cache_clear()
        assert Job.objects.get().due_at == datetime.fromisoformat("2100-07-01T05:00:00+00:00")

    @pytest.mark.parametrize(
        ("due", "told"),
        [("", "Say when: a day and a time."), ("2001-01-01T00:00", "This has passed."), ("soon", "Enter a valid date")],
    )
    def test_a_wrong_time_is_told(self, page, due, told):
        answer = page.post(URL, filled(**{"job-start": "later", "job-due_at": due}))
        assert answer.status_code == 422
        assert told in answer.text
        assert not Job.objects.exists()

    def test_now_ignores_the_time(self, page):
        page.post(URL, filled(**{"job-due_at": "2001-01-01T00:00"}))
        assert Job.objects.get().due_at is None


class TestPreview:
    def test_what_will_happen(self, page):
        html = page.post(f"{URL}/preview", filled()).text
        assert "<html" not in html
        assert "<dt>Starts</dt><dd>at once</dd>" in html

    def test_what_is_missing_and_what_is_wrong(self, page):
        assert "Still to fill in: Text." in page.post(f"{URL}/preview", filled(text="")).text
        assert "Text: No rain on postcards" in page.post(f"{URL}/preview", filled(text="rain")).text

    def test_a_broken_preview_stops_nobody(self, page):
        assert "Starts" in page.post(f"{URL}/preview", filled(text="break")).text
        assert page.post(URL, filled(text="break")).status_code == 302


class TestFiles:
    def test_files_stay_after_an_error(self, page, lena):
        html = page.post(URL, filled(text="", pictures=[png("a.png"), png("b.png")])).text
        ids = kept_ids(html, "pictures")
        assert len(ids) == 2
        assert Artifact.objects.filter(job=None, owner=lena, is_input=True).count() == 2
        page.post(URL, filled(pictures__kept=ids[1:]))
        job = Job.objects.get()
        assert [file["name"] for file in job.params["pictures"]] == ["b.png"]
        assert [artifact.name for artifact in job.artifacts.all()] == ["b.png"]

    def test_kept_and_new_files_join_and_are_counted_together(self, page):
        ids = kept_ids(page.post(URL, filled(text="", pictures=[png("a.png"), png("b.png")])).text, "pictures")
        answer = page.post(URL, filled(pictures__kept=ids, pictures=[png("c.png")]))
        assert answer.status_code == 422
        assert "3 files: at most 2 are taken." in answer.text

    def test_a_new_file_replaces_the_one_that_was_kept(self, page):
        ids = kept_ids(page.post(URL, filled(text="", stamp=png("old.png"))).text, "stamp")
        page.post(URL, filled(stamp__kept=ids, stamp=png("new.png")))
        assert [file["name"] for file in Job.objects.get().params["stamp"]] == ["new.png"]

    def test_a_refused_file_is_not_kept(self, page):
        answer = page.post(URL, filled(pictures=[png("virus.exe"), png("a.png")]))
        assert "virus.exe: expected a file that ends in .png." in answer.text
        assert [artifact.name for artifact in Artifact.objects.all()] == ["a.png"]

    def test_other_peoples_files_cannot_be_named(self, page, django_user_model):
        other = django_user_model.objects.create_user("other")
        theirs = Artifact.objects.create(owner=other, is_input=True, name="secret.png", size=1, path="secret.png")
        page.post(URL, filled(pictures__kept=[theirs.id]))
        assert Job.objects.get().params["pictures"] == []
        assert "secret.png" not in page.get(f"{URL}?pictures__kept={theirs.id}").text

    def test_a_file_without_a_letter_in_its_name_is_stored(self, page):
        answer = page.post("/new/pack/upload", {"field": "files", "file": [png("🎉"), png("!!!")]})
        assert answer.status_code == 200 and "🎉" in answer.text and "!!!" in answer.text
        assert all(artifact.path.endswith("/file") for artifact in Artifact.objects.all())

    def test_as_many_files_as_a_form_promises_are_taken_and_packed_again(self, page, lena):
        stored = [Artifact(owner=lena, is_input=True, name="a.txt", size=1, path="a.txt") for _ in range(MAX_FILES)]
        ids = [artifact.id for artifact in Artifact.objects.bulk_create(stored)]
        sent = {key: value for key, value in filled(name="all.zip", files__kept=ids).items() if key != "text"}
        assert "10,000 files" in page.post("/new/pack/preview", sent).text
        assert page.post("/new/pack", sent).status_code == 302
        job = Job.objects.get()
        assert [file["artifact"] for file in job.params["files"]] == ids
        assert kept_ids(page.get(f"/new/pack?from={job.id}").text, "files") == ids

    def test_files_are_stored_when_chosen(self, page):
        answer = page.post(f"{URL}/upload", {"field": "pictures", "file": [png("a.png"), png("big.png", 101)]})
        assert answer.status_code == 200
        assert len(kept_ids(answer.text, "pictures")) == 1
        assert "big.png has 101 B: at most 100 B are taken." in answer.text
        assert kept_ids(page.get(f"{URL}?pictures__kept={kept_ids(answer.text, 'pictures')[0]}").text, "pictures")
        assert page.post(f"{URL}/upload", {"field": "pictures", "file": [png("a.exe")]}).status_code == 422
        assert page.post(f"{URL}/upload", {"field": "text", "file": [png()]}).status_code == 404


class TestRerun:
    @pytest.fixture
    def old(self, page):
        page.post(URL, filled(text="Old sun", colour="r", code="1234", pictures=[png("a.png")], at="2100-01-01T10:00"))
        return Job.objects.get()

    def test_the_form_starts_with_what_was(self, page, old):
        html = page.get(f"{URL}?from={old.id}").text
        assert 'value="Old sun"' in html
        assert 'value="2100-01-01T10:00"' in html
        assert re.search(r'value="r"[^>]*checked', html)
        assert len(kept_ids(html, "pictures")) == 1
        assert "1234" not in html
        assert f'name="from" value="{old.id}"' in html

    def test_it_makes_a_new_job_linked_to_the_old_one(self, page, old):
        kept = kept_ids(page.get(f"{URL}?from={old.id}").text, "pictures")
        page.post(f"{URL}?from={old.id}", filled(text="New sun", pictures__kept=kept, **{"from": old.id}))
        new = Job.objects.exclude(pk=old.pk).get()
        assert new.rerun_of == old
        assert new.params["text"] == "New sun"
        assert new.params["pictures"][0]["name"] == "a.png"
        assert decrypt(new.params["code"]) == "1234"
        old.refresh_from_db()
        assert old.params["text"] == "Old sun"

    def test_a_secret_that_another_key_encrypted_is_asked_for(self, page, old, settings):
        settings.SECRET_KEY = "another"
        page.force_login(old.owner)
        asked = "Give it again: what was stored cannot be read any more."
        assert asked in page.get(f"{URL}?from={old.id}").text
        assert "Still to fill in: Code." in page.post(f"{URL}/preview", filled(**{"from": old.id})).text
        answer = page.post(URL, filled(**{"from": old.id}))
        assert answer.status_code == 422 and f'<a href="#id_code">Code</a>: {asked}' in answer.text
        assert page.post(URL, filled(code="new", **{"from": old.id})).status_code == 302
        assert decrypt(Job.objects.exclude(pk=old.pk).get().params["code"]) == "new"

    def test_other_peoples_jobs_are_not_shown(self, client, old, django_user_model):
        client.force_login(django_user_model.objects.create_user("other"))
        assert client.get(f"{URL}?from={old.id}").status_code == 404
        assert client.post(URL, filled(**{"from": old.id})).status_code == 404

    def test_a_job_of_another_kind_is_not_taken(self, page, lena):
        foreign = Job.objects.create(kind="other.task", is_kind=False, title="t", queue="cpu", owner=lena)
        assert page.get(f"{URL}?from={foreign.id}").status_code == 404


def test_times_of_the_future_are_needed_for_later(db):
    """The clock decides, not the day."""
    from django.contrib.auth.models import AnonymousUser

    from jobs.web.pages.new_options import Options

    soon = timezone.localtime(timezone.now() + timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M")
    data = {"job-start": "later", "job-due_at": soon}
    options = Options(data, user=AnonymousUser(), kind=Postcard)
    assert options.is_valid(), options.errors
