"""Only what a row of ours holds in a secret field is opened: no text that looks so, and no copy of it."""

import json

import pytest
from django.contrib.auth.models import User

from jobs.core.errors import Conflict
from jobs.core.redaction import encrypt
from jobs.models import Job
from jobs.submit import rerun, submit
from jobs.submit.messages import message_for
from jobs.worker.kinds import _clear

pytestmark = pytest.mark.django_db
MAIL = {"to": "ann@example.org", "subject": "About ciphertexts", "text": "x"}


def in_the_worker(job):
    return _clear(job.kind_class, message_for(job).kwargs)


def test_an_honest_text_that_begins_like_a_ciphertext_arrives_as_it_is():
    job = submit("email", {**MAIL, "text": "encrypted: what this word means"})
    assert in_the_worker(job)["text"] == "encrypted: what this word means"


def test_somebody_elses_ciphertext_stays_one_in_any_field():
    stolen = encrypt("hunter2")
    mail = submit("email", {**MAIL, "text": stolen})
    call = submit("http", {"url": "http://example.org/", "authorization": stolen})
    assert in_the_worker(mail)["text"] == stolen
    assert in_the_worker(call)["authorization"] == stolen, "a text like any other, sealed once more"
    assert call.params["authorization"] != stolen


def test_a_rerun_and_a_schedule_keep_their_own_secret():
    job = submit("http", {"url": "http://example.org/", "authorization": "hunter2"})
    assert "hunter2" not in json.dumps(job.params)
    again = rerun(job)
    assert in_the_worker(job)["authorization"] == in_the_worker(again)["authorization"] == "hunter2"


def test_the_same_key_with_another_secret_is_another_submission():
    ann = User.objects.create_user("ann")
    params = {"url": "http://example.org/", "authorization": "one"}
    first = submit("http", params, user=ann, idempotency_key="k")
    assert submit("http", params, user=ann, idempotency_key="k") == first
    with pytest.raises(Conflict):
        submit("http", {**params, "authorization": "two"}, user=ann, idempotency_key="k")
    assert Job.objects.count() == 1
