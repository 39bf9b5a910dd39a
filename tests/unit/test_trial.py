"""Try the first one, then process all: the form's second button, the job's offer, and the same over REST."""

import json

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile
from django_celery_results.models import TaskResult

from jobs.core.kind import Kind
from jobs.kinds.image import ProcessImage
from jobs.models import Artifact, Job
from tests.unit.contexts import RecordingContext
from tests.unit.images import data, packed, quarters

pytestmark = pytest.mark.usefixtures("storage")

FILLED = {"width": "40", "format": "webp", "profile": "srgb", "watermark_position": "middle-center", "key": "a" * 32,
          "job-start": "now", "job-title": "", "job-priority": "normal"}  # fmt: skip


@pytest.fixture
def lena(db):
    return get_user_model().objects.create_user("lena")


@pytest.fixture
def page(client, lena):
    client.force_login(lena)
    return client


def upload():
    photo = data(quarters(), "JPEG")
    return SimpleUploadedFile("trip.zip", packed({"a.jpg": photo, "b.jpg": photo, "c.jpg": photo}))


def tried(page) -> Job:
    answer = page.post("/new/image", FILLED | {"images": upload(), "try_one": "on"})
    assert answer.status_code == 302
    return Job.objects.get()


def ran(job, tmp_path) -> Job:
    """The job as its worker and the keeper leave it."""
    refs = [{**ref, "path": str(tmp_path / ref["path"])} for ref in job.params["images"]]
    result = ProcessImage().run({**job.params, "images": refs}, RecordingContext(tmp_path))
    TaskResult.objects.create(task_id=job.id, status="SUCCESS", result=json.dumps(result))
    Job.objects.filter(pk=job.pk).update(state="SUCCESS")
    job.refresh_from_db()
    return job


def test_the_form_has_a_second_button_in_place_of_a_box(page):
    html = page.get("/new/image").text
    assert 'name="try_one" value="on"' in html and "Try the first one</button>" in html
    assert 'type="checkbox" name="try_one"' not in html
    assert "try_one" not in page.get("/new/export").text


def test_a_trial_is_followed_by_the_whole_without_another_upload(page, tmp_path):
    trial = ran(tried(page), tmp_path)
    assert trial.title == "First of trip.zip to 40 px WebP"
    html = page.get(trial.get_absolute_url()).text
    assert "Process all 3</button>" in html

    answer = page.post(f"/jobs/{trial.id}/offer", {"offer": "all"})
    whole = Job.objects.exclude(pk=trial.pk).get()
    assert answer.url == whole.get_absolute_url()
    assert (whole.rerun_of, whole.title, whole.params["try_one"]) == (trial, "trip.zip to 40 px WebP", False)
    assert {**whole.params, "try_one": True, "images": []} == {**trial.params, "images": []}
    assert len({artifact.path for artifact in Artifact.objects.filter(is_input=True)}) == 1, "the bytes are there once"
    again = ran(whole, tmp_path)
    assert "Process all" not in page.get(again.get_absolute_url()).text


def test_pressed_twice_it_is_one_job(page, tmp_path):
    trial = ran(tried(page), tmp_path)
    answers = {page.post(f"/jobs/{trial.id}/offer", {"offer": "all"}).url for _ in range(2)}
    assert len(answers) == 1 and Job.objects.count() == 2


def test_the_way_back_to_the_form_leads_to_the_whole(page):
    trial = tried(page)
    kept = Artifact.objects.get().id
    answer = page.post("/new/image", FILLED | {"images__kept": kept})
    assert answer.status_code == 302 and answer.url != trial.get_absolute_url()
    assert Job.objects.exclude(pk=trial.pk).get().params["try_one"] is False


def test_what_is_not_offered_cannot_be_taken(page, tmp_path, client):
    trial = tried(page)
    assert "Process all" not in page.get(trial.get_absolute_url()).text, "it has not ended yet"
    assert page.post(f"/jobs/{trial.id}/offer", {"offer": "all"}).url == trial.get_absolute_url()
    ran(trial, tmp_path)
    page.post(f"/jobs/{trial.id}/offer", {"offer": "nothing"})
    assert Job.objects.count() == 1
    client.force_login(get_user_model().objects.create_user("mallory"))
    assert client.post(f"/jobs/{trial.id}/offer", {"offer": "all"}).status_code == 404


def test_a_file_that_is_gone_is_told(page, tmp_path):
    trial = ran(tried(page), tmp_path)
    Artifact.objects.all().delete()
    html = page.post(f"/jobs/{trial.id}/offer", {"offer": "all"}, follow=True).text
    assert "No stored file" in html and Job.objects.count() == 1


def test_a_kind_whose_offers_fail_shows_its_job_all_the_same(page, tmp_path, monkeypatch):
    trial = ran(tried(page), tmp_path)
    monkeypatch.setattr(ProcessImage, "offers", classmethod(lambda cls, params, result: result["nothing"]))
    assert page.get(trial.get_absolute_url()).status_code == 200
    assert Kind.offers({}, None) == ()


def test_the_same_over_rest(page, tmp_path):
    answer = page.post(
        "/api/v1/jobs", {"kind": "image", "params": '{"width": 40, "try_one": true}', "images": upload()}
    )
    assert answer.status_code == 202, answer.text
    trial = ran(Job.objects.get(), tmp_path)
    url = f"/api/v1/jobs/{trial.id}"
    assert page.get(url).json()["result"]["images_in_all"] == 3
    whole = page.post(f"{url}/rerun", {"params": {"try_one": False}}, content_type="application/json")
    assert whole.status_code == 202 and Job.objects.get(id=whole.json()["id"]).params["try_one"] is False
