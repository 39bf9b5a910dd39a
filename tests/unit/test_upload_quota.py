"""Files that nobody makes a job of are bounded, and each way to leave some here says so."""

import json

import pytest
from django.contrib.auth import get_user_model
from django.core.files.uploadedfile import SimpleUploadedFile

from jobs.models import Artifact
from tests.unit.api_client import Program

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ann(settings):
    settings.QUOTA_UPLOADS, settings.QUOTA_UPLOAD_BYTES = 3, 1_000
    return get_user_model().objects.create_user("ann")


def sent(client, *sizes):
    files = [SimpleUploadedFile(f"{number}.txt", b"x" * size) for number, size in enumerate(sizes)]
    return client.post("/new/email/upload", {"field": "attachments", "file": files})


def test_no_more_than_so_many(client, ann):
    client.force_login(ann)
    assert sent(client, 10, 10, 10).status_code == 200
    answer = sent(client, 10)
    assert answer.status_code == 422
    assert "You have 3 files (30 B) here that no job has; 3 files and 1000 B are allowed." in answer.content.decode()
    assert Artifact.objects.count() == 3


def test_no_more_than_so_many_bytes_of_each_owner(client, ann):
    client.force_login(ann)
    answer = sent(client, 600, 300, 200)
    assert answer.status_code == 200 and "You have 2 files (900 B)" in answer.content.decode()
    assert list(Artifact.objects.order_by("created").values_list("size", flat=True)) == [600, 300]
    client.force_login(get_user_model().objects.create_user("bob"))
    assert sent(client, 600).status_code == 200


def test_what_a_job_has_is_not_counted(client, ann):
    for _ in range(3):
        files = {"attachments": SimpleUploadedFile("note.txt", b"x" * 900), "kind": "email",
                 "params": json.dumps({"to": "a@example.org", "subject": "s", "text": "t"})}  # fmt: skip
        assert Program(ann).form("jobs", files).status_code == 202
    client.force_login(ann)
    assert sent(client, 900).status_code == 200


def test_files_of_a_workflow_are_counted_before_they_are_stored(ann):
    spec = {"chain": [{"kind": "email", "params": {"to": "a@example.org", "subject": "s", "text": "t",
                                                   "attachments": ["upload:note"]}}]}  # fmt: skip
    sent = {"params": json.dumps(spec), "note": SimpleUploadedFile("note.txt", b"x" * 1_001)}
    answer = Program(ann).form("workflows", sent)
    assert answer.status_code == 429 and "1000 B are allowed" in answer.json()["detail"]
    assert not Artifact.objects.exists()
