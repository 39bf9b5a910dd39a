"""Steps that start long after they were accepted, or of which Redis forgets what it was told."""

import json
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from jobs.keeper import dispatch, prune
from jobs.keeper.admit import Admission
from jobs.keeper.stream import Reader
from jobs.models import Artifact
from jobs.submit.files import store
from jobs.wire.connection import redis_client
from jobs.workflows.build import submit_workflow
from tests.unit.job_rows import alice, users  # noqa: F401  fixtures
from tests.unit.workflow_hands import Hands

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def hands(monkeypatch):
    monkeypatch.setattr("jobs.submit.live.RECORD_WAITS", 0.0)
    return Hands()


def add(x, y, title):
    return {"kind": "add", "params": {"x": x, "y": y}, "title": title}


def job_of(workflow, title):
    return workflow.jobs.get(title=title)


@pytest.mark.parametrize("files", [["{id}"], ["{id}", "${files}"], "{id}"])
def test_a_file_that_a_step_names_is_there_however_late_it_starts(hands, alice, storage, files):  # noqa: F811
    logo = store(SimpleUploadedFile("logo.png", b"bytes"), alice)
    Artifact.objects.bulk_create([logo])
    named = json.loads(json.dumps(files).replace("{id}", logo.id))
    packing = {"kind": "pack", "params": {"files": named, "name": "all.zip"}, "title": "pack"}
    workflow = submit_workflow({"chain": [add(1, 1, "maker"), packing]}, user=alice)
    Artifact.objects.update(created=timezone.now() - timedelta(days=3))
    prune.step()
    assert not Artifact.objects.filter(pk=logo.pk).exists(), "an upload that no job has"

    hands.work = lambda job: hands.save(job, "made.txt") if job.title == "maker" else 1
    hands.finish(workflow)

    job = job_of(workflow, "pack")
    assert job.state == "SUCCESS", job.error
    assert job.params["files"][0]["name"] == "logo.png"
    assert Artifact.storage().open(job.params["files"][0]["path"]).read() == b"bytes"
    assert job.artifacts.filter(is_input=True, name="logo.png").count() == 1


def test_a_step_that_cannot_start_ends_though_redis_forgets_that_it_was_told(hands):
    workflow = submit_workflow({"chain": [add(1, 1, "a"), add("${result.sum}", 1, "b")]})
    hands.keep()
    hands.carry_out(hands.take())
    while hands.reader.step(0.001):
        pass
    dispatch.step(Admission(), settled=True)
    redis_client().flushall()
    again = job_of(workflow, "b").next_check_at
    assert again is not None and again > timezone.now()
    workflow.jobs.filter(title="b").update(next_check_at=timezone.now())
    hands.reader = Reader()
    hands.keep()
    assert job_of(workflow, "b").state == "FAILURE"
