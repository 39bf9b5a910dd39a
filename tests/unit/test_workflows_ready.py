"""Ready-made workflows: their forms, the workflows that they stand for, and what these make with real kinds."""

import io
import mimetypes
import re
import shutil
import zipfile
from pathlib import Path
from uuid import uuid4

import pytest
from django.conf import settings as site
from django.contrib.auth import get_user_model
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from jobs.core.errors import Refused
from jobs.core.fields import size_in_words
from jobs.core.registry import get_kind
from jobs.models import Artifact, Job, Workflow
from jobs.submit.files import reference, store
from jobs.submit.validate import bind, to_json
from jobs.wire import events, keys
from jobs.workflows.build import submit_workflow
from jobs.workflows.outlook import outlooks
from jobs.workflows.ready import all_ready, ready_for
from jobs.workflows.ready.photos import PATTERN
from jobs.workflows.spec import read
from tests.unit.contexts import RecordingContext
from tests.unit.images import data, packed, quarters
from tests.unit.job_rows import alice, bob, olga, users  # noqa: F401
from tests.unit.web_server import WebServer, rss
from tests.unit.workflow_hands import Hands

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("storage")]

PHOTOS = {"format": "webp", "profile": "srgb", "watermark_position": "bottom-right", "width": "40", "key": "a" * 32,
          "to": "ann@example.org", "subject": "Ready", "text": "See ${link}"}  # fmt: skip
FEEDS = {"at_once": "5", "timeout": "5", "max_size": "1", "max_redirects": "2", "title": "Week 47", "key": "a" * 32,
         "to": "ann@example.org, bob@example.org", "subject": "Report", "text": "Attached."}  # fmt: skip


@pytest.fixture
def lena(db):
    return get_user_model().objects.create_user("lena")


@pytest.fixture
def page(client, lena):
    client.force_login(lena)
    return client


@pytest.fixture
def server(settings):
    settings.ALLOW_PRIVATE_URLS = True
    server = WebServer()
    yield server
    server.stop()


def trip(name="trip.zip", **more):
    photo = data(quarters(), "JPEG")
    members = {"a.jpg": photo, "day 2/b.png": data(quarters()), "notes.txt": b"no image", **more}
    return SimpleUploadedFile(name, packed(members))


def spec_of(slug, params, files, owner):
    """What the page sends: the form's data, files as stored ones."""
    ready = all_ready()[slug]
    stored = {name: [store(file, owner)] for name, file in files.items()}
    Artifact.objects.bulk_create(artifact for artifacts in stored.values() for artifact in artifacts)
    references = {name: [reference(artifact) for artifact in artifacts] for name, artifacts in stored.items()}
    form = bind(ready, {**params, **references}, None, owner)
    assert form.is_valid(), form.errors
    return ready.spec(to_json(form, form.cleaned_data) | {"images": [], "file": [], **references})


class StoringContext(RecordingContext):
    """Keeps files where workers keep them, and tells of them as workers do."""

    def __init__(self, folder, job, redis):
        super().__init__(folder, job_id=job.id, owner=job.owner.username)
        self.job, self.redis = job, redis

    def path(self, ref):
        return Path(storages["jobs"].path(ref["path"]))

    def save(self, name, content, content_type=""):
        saved = super().save(name, content, content_type)
        fields = {**saved, "artifact": uuid4().hex, "path": f"outputs/{self.job.id}/{name}"}
        target = Path(storages["jobs"].path(fields["path"]))
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(saved["path"], target)
        kind = content_type or mimetypes.guess_type(name)[0]
        event = events.encode(events.ARTIFACT, self.job.id, self.job.attempt, content_type=kind, **fields)
        self.redis.xadd(keys.EVENTS, {"e": event})
        return {key: fields[key] for key in ("artifact", "name", "size", "path")}


@pytest.fixture
def hands(tmp_path, monkeypatch):
    """Workers that run every kind but the last: mail is looked at as the job that would send it."""
    monkeypatch.setattr("jobs.submit.live.RECORD_WAITS", 0.0)

    def work(job):
        if job.kind == "email":
            return {"sent": len(job.params["to"])}
        folder = tmp_path / "attempts" / job.id
        folder.mkdir(parents=True)
        return get_kind(job.kind)().run(job.params, StoringContext(folder, job, made.redis))

    made = Hands(work)
    return made


def jobs_of(workflow, kind):
    return list(workflow.jobs.filter(kind=kind).order_by("seq"))


# --- what they stand for ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("slug", "params", "files"),
    [("photos", PHOTOS, {"images": trip()}), ("feeds", {**FEEDS, "urls": "http://93.184.216.34/a.xml"}, {})],
)
def test_what_is_read_of_each_are_the_steps_that_it_names(lena, slug, params, files):
    ready = all_ready()[slug]
    spec = spec_of(slug, {name: value for name, value in params.items() if name != "key"}, files, lena)
    planned = read({name: spec[name] for name in ("chain",)})
    assert [step.spec["kind"] for step in planned] == [slug for slug, _ in ready.steps]
    assert [step.before for step in planned] == [[], *([number] for number in range(len(planned) - 1))]
    workflow = submit_workflow(spec, user=lena)
    assert [job.kind for job in workflow.jobs.order_by("seq")] == [slug for slug, _ in ready.steps]


def test_every_ready_made_workflow_has_words_for_people():
    for slug, ready in all_ready().items():
        assert ready.slug == slug and ready.summary().endswith(".")
        assert all(get_kind(kind) and sentence.endswith(".") for kind, sentence in ready.steps)


def test_photos_with_one_that_is_broken_end_with_a_zip_of_the_others_and_a_mail(lena, hands):
    spec = spec_of(
        "photos", {name: value for name, value in PHOTOS.items() if name != "key"} | {"watermark": "© Lena"},
        {"images": trip("my ${trip}.zip", **{"B.PNG": data(quarters()), "torn.jpg": b"\xff\xd8\xff torn"})}, lena,
    )  # fmt: skip
    workflow = submit_workflow(spec, user=lena)
    hands.finish(workflow)
    assert sorted(job.state for job in jobs_of(workflow, "image")) == ["FAILURE", "SUCCESS", "SUCCESS", "SUCCESS"]
    (packing,) = jobs_of(workflow, "pack")
    made = Artifact.objects.get(job=packing, is_input=False)
    assert made.name == "my ${trip}.zip"
    with zipfile.ZipFile(io.BytesIO(made.storage().open(made.path).read())) as archive:
        # Their order is that in which the steps stand, not that in which they ended.
        assert archive.namelist() == ["a.webp", "b.webp", "B-2.webp"]
        assert Image.open(archive.open("a.webp")).size == (40, 30)
    (mail,) = jobs_of(workflow, "email")
    assert mail.state == "SUCCESS" and mail.params["to"] == ["ann@example.org"]
    assert mail.params["text"] == f"See {site.BASE_URL}{packing.get_absolute_url()}"


def test_photos_none_of_which_can_be_read_send_nothing(lena, hands):
    photos = SimpleUploadedFile("trip.zip", packed({"a.jpg": b"torn", "b.jpg": b"torn"}))
    params = {name: value for name, value in PHOTOS.items() if name != "key"}
    workflow = submit_workflow(spec_of("photos", params, {"images": photos}, lena), user=lena)
    hands.finish(workflow)
    assert [job.state for job in [*jobs_of(workflow, "pack"), *jobs_of(workflow, "email")]] == ["REVOKED"] * 2


def test_feeds_end_with_a_report_that_is_attached_to_a_mail(lena, hands, server):
    urls = [server.route("/one", 200, rss("One", 3)), server.route("/two", 200, rss("Two", 5)), f"{server.url}/gone"]
    params = {name: value for name, value in FEEDS.items() if name != "key"}
    files = {"file": SimpleUploadedFile("list.txt", urls[2].encode())}
    workflow = submit_workflow(spec_of("feeds", {**params, "urls": "\n".join(urls[:2])}, files, lena), user=lena)
    hands.finish(workflow)
    assert outlooks([workflow])[0].state == "SUCCESS"
    (mail,) = jobs_of(workflow, "email")
    (attached,) = mail.params["attachments"]
    assert attached["name"] == "week-47.pdf"
    assert storages["jobs"].open(attached["path"]).read(5) == b"%PDF-"
    assert mail.params["to"] == ["ann@example.org", "bob@example.org"]


def test_thousands_of_stored_files_are_looked_up_together(lena, users, django_assert_max_num_queries):  # noqa: F811
    stored = [Artifact(name=f"{n}.jpg", size=1, path=f"x/{n}", owner=lena) for n in range(2000)]
    stored[0].owner = users["bob"]
    Artifact.objects.bulk_create(stored)
    with django_assert_max_num_queries(6):
        form = bind(get_kind("pack"), {"files": [artifact.id for artifact in stored[1:]]}, None, lena)
        assert [file.name for file in form.files.getlist("files")] == [f"{n}.jpg" for n in range(1, 2000)]
    with pytest.raises(Refused, match=f"No stored file '{stored[0].id}'"):
        bind(get_kind("pack"), {"files": [artifact.id for artifact in stored]}, None, lena)


# --- the page ---------------------------------------------------------------------------------------


def test_the_form_shows_its_steps_and_starts_filled_in(page):
    text = page.get("/workflows/new/photos?width=800").content.decode()
    for label in ("Unpack a zip", "Process images", "Pack a zip", "Send email"):
        assert f"<strong>{label}</strong>" in text
    assert "The photos are ready" in text and "${link}" in text
    assert re.search(r'name="width"[^>]*value="800"|value="800"[^>]*name="width"', text)
    assert 'name="sizes"' not in text and 'name="try_one"' not in text
    assert "URLs" in page.get("/workflows/new/feeds").content.decode()


def test_photos_are_started_once_however_often_the_form_is_sent(page, lena):
    kept = page.post("/workflows/new/photos/upload", {"field": "images", "file": trip()})
    (artifact,) = re.findall(r'name="images__kept" value="(\w{32})"', kept.content.decode())
    answers = [page.post("/workflows/new/photos", PHOTOS | {"images__kept": artifact}) for _ in range(2)]
    workflow = Workflow.objects.get()
    assert [answer.url for answer in answers] == [workflow.get_absolute_url()] * 2
    assert (workflow.owner, workflow.via, workflow.title) == (lena, "form", "Photos of trip.zip")
    unpacking, *others = workflow.jobs.order_by("seq")
    assert unpacking.params["archive"][0]["name"] == "trip.zip" and unpacking.params["pattern"] == PATTERN
    assert not unpacking.blocked and all(job.blocked for job in others)


def test_without_scripts_the_file_comes_with_the_form(page):
    assert page.post("/workflows/new/photos", PHOTOS | {"images": trip()}).status_code == 302
    assert Job.objects.get(kind="unpack").params["archive"][0]["name"] == "trip.zip"


def test_what_the_last_step_would_refuse_is_refused_at_once_and_the_file_stays(page):
    sent = PHOTOS | {"images": trip(), "subject": "Hello {{ name }}", "text": "See ${links}", "to": "nobody"}
    answer = page.post("/workflows/new/photos", sent)
    text = answer.content.decode()
    assert answer.status_code == 422 and not Workflow.objects.exists()
    assert "needs a recipients file" in text and "${links} is unknown" in text and "is not an address" in text
    kept = Artifact.objects.get()
    assert f'value="{kept.id}" checked' in text and kept.job is None and kept.owner.username == "lena"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"images": SimpleUploadedFile("trip.zip", packed({"a.txt": b"x"}))}, "No file in it is named *.jpg"),
        ({"images": SimpleUploadedFile("trip.zip", b"no zip")}, "damaged or cut short"),
        ({"images": SimpleUploadedFile("photo.jpg", b"x")}, "expected a file that ends in .zip"),
        ({"images": b""}, "Choose a file."),
        ({"width": "", "format": "keep"}, "Nothing to do yet"),
        ({"resize": "fill"}, "height is missing"),
        ({"to": ""}, "Fill this in."),
    ],
)
def test_photos_that_cannot_become_anything_are_refused(page, change, said):
    answer = page.post("/workflows/new/photos", PHOTOS | {"images": trip()} | change)
    assert answer.status_code == 422 and said in answer.content.decode()
    assert not Workflow.objects.exists() and not Job.objects.exists()


def test_the_preview_tells_what_will_be_done(page):
    size = size_in_words(len(data(quarters(), "JPEG")) + len(data(quarters())))
    text = page.post("/workflows/new/photos/preview", PHOTOS | {"images": trip()}).content.decode()
    assert re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", text)[:4] == [
        ("Unpacks", f"2 files, {size}"),
        ("Left out", "1 with other names"),
        ("Steps", "fit 40 px"),
        ("Result", "WebP, quality 82"),
    ]
    assert "<dt>Mail to</dt><dd>ann@example.org</dd>" in text
    text = page.post("/workflows/new/feeds/preview", FEEDS | {"urls": "no address"}).content.decode()
    assert "no address" in text and "<dt>" not in text


def test_check_submits_nothing(page):
    answer = page.post("/workflows/new/photos", PHOTOS | {"images": trip(), "check": "1"})
    assert answer.status_code == 200 and "1 with other names" in answer.content.decode()
    assert not Workflow.objects.exists()


def test_only_those_are_offered_of_which_every_step_may_be_submitted(page, lena, monkeypatch, users):  # noqa: F811
    assert ready_for(lena) == ready_for(users["olga"]) == list(all_ready().values())
    monkeypatch.setattr(get_kind("pack"), "operators_only", True)
    assert [ready.slug for ready in ready_for(lena)] == ["feeds"] and len(ready_for(users["olga"])) == 2
    assert page.get("/workflows/new/photos").status_code == 404
    assert page.post("/workflows/new/photos", PHOTOS | {"images": trip()}).status_code == 404
    assert page.get("/workflows/new/nothing").status_code == 404
    assert not Job.objects.exists()


def test_a_file_of_somebody_else_is_not_taken(page, users):  # noqa: F811
    theirs = store(trip(), users["bob"])
    theirs.save(force_insert=True)
    answer = page.post("/workflows/new/photos", PHOTOS | {"images__kept": theirs.id})
    assert answer.status_code == 422 and "Choose a file." in answer.content.decode()
