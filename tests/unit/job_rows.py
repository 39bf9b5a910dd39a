"""Jobs as the keeper leaves them, for tests of lists and pages."""

import json
import time
from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from jobs.core.search_words import words_for
from jobs.models import Job
from jobs.wire import keys
from jobs.wire.connection import redis_client


def make_job(title="Autumn newsletter", kind="email", owner=None, state="SUCCESS", ago=60.0, **more):
    """A job that was created `ago` seconds before now."""
    created = timezone.now() - timedelta(seconds=ago)
    error = f"{more.get('error_type', '')} {more.get('error', '')}"
    name = owner.get_username() if owner else ""
    values = {
        "queue": "io" if kind == "email" else "cpu",
        "search": words_for(title, kind, kind, name, error),
        "created": created,
        "changed": created,
        **more,
    }
    return Job.objects.create(title=title, kind=kind, owner=owner, state=state, **values)


def run_hash(job, state="STARTED", attempt=1, worker="io@web-1", **progress):
    """What a worker keeps in Redis for a job."""
    fields = {"attempt": attempt, "phase": "running", "state": state, "worker": worker}
    if progress:
        fields["progress"] = json.dumps({"at": time.time(), "started": time.time() - 10, **progress})
    redis_client().hset(keys.run(job.id), mapping=fields)


@pytest.fixture
def users(db):
    """alice and bob submit, olga operates."""
    model = get_user_model()
    return {
        name: model.objects.create_user(name, password="password", is_staff=name == "olga")
        for name in ("alice", "bob", "olga")
    }


@pytest.fixture
def alice(users):
    return users["alice"]


@pytest.fixture
def bob(users):
    return users["bob"]


@pytest.fixture
def olga(users):
    return users["olga"]
