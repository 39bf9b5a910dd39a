"""Rows that are made and stored without the ORM's help are those that it would make."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from jobs.models import Job
from jobs.submit.insert import insert_many, new_row

pytestmark = pytest.mark.django_db


@pytest.fixture
def given():
    now = timezone.now()
    user = get_user_model().objects.create_user("nora")
    return {"id": "one", "kind": "add", "title": "One", "owner": user, "queue": "io", "params": {"x": 1},
            "created": now, "changed": now, "next_check_at": now + timedelta(seconds=5)}  # fmt: skip


def columns(job):
    return {field.attname: getattr(job, field.attname) for field in Job._meta.concrete_fields}


def test_a_new_row_is_what_djangos_constructor_makes(given):
    ours, theirs = new_row(**given), Job(**given)
    assert columns(ours) == columns(theirs)
    assert ours.owner is given["owner"]
    assert (ours._state.adding, ours._state.db) == (theirs._state.adding, theirs._state.db)


def test_new_rows_share_nothing_that_can_be_changed():
    one, other = new_row(kind="add"), new_row(kind="add")
    one.params["x"] = 1
    one.owner = get_user_model()(username="somebody")
    assert one.id != other.id and other.params == {} and other.owner is None and Job().params == {}


def test_rows_stored_together_are_read_as_they_were(given):
    later = given["created"] + timedelta(microseconds=1)
    rows = [
        new_row(**{**given, "id": f"{number}", "params": params, "due_at": due})
        for number, (params, due) in enumerate(
            [({"x": 1}, None), ({"x": True}, later), ({"x": 1.0}, later), ({}, given["created"]), ({"x": None}, None)]
        )
    ]
    insert_many(rows)
    found = {job.id: job for job in Job.objects.all()}
    for row in rows:
        assert {**columns(row), "seq": found[row.id].seq} == columns(found[row.id])
        assert repr(found[row.id].params) == repr(row.params)
