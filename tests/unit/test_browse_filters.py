"""The filter of lists: its language, its parameters, and whose jobs it shows."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.browse import qualifiers
from jobs.browse.filters import JobFilter
from jobs.core.search_words import words_for, words_of
from tests.unit.job_rows import alice, bob, olga, users  # noqa: F401


def query(viewer=None, **data):
    form = JobFilter(data, viewer=viewer)
    assert form.is_valid(), form.errors
    return form.query


def errors(viewer=None, **data):
    form = JobFilter(data, viewer=viewer)
    assert not form.is_valid()
    return form.errors


@pytest.mark.parametrize(
    ("given", "shown"),
    [("failed", "failed"), ("FAILURE", "failed"), ("success", "succeeded"), ("REVOKED", "cancelled"),
     ("STARTED", "running"), ("RETRY", "retrying"), ("PENDING", "PENDING"), ("scheduled", "scheduled")],
)  # fmt: skip
def test_states_are_taken_in_shown_words_and_in_celerys(given, shown):
    assert query(state=given).state == shown
    assert query(q=f"state:{given}").state == shown


def test_qualifiers_words_and_quotes_are_told_apart(db, users):  # noqa: F811
    found = query(q='kind:image state:failed owner:alice queue:io error:"timed out" autumn News* since:2h')
    assert (found.kind, found.state, found.queue, found.error) == ("image", "failed", "io", "timed out")
    assert found.owner == users["alice"].pk
    assert found.words == ("autumn", "news", "timed", "out")
    assert abs(timezone.now() - timedelta(hours=2) - found.since) < timedelta(seconds=5)


def test_an_unknown_qualifier_is_named_with_what_was_meant():
    assert errors(q="stat:failed")["q"] == ["`stat:` is unknown. Did you mean `state:`?"]
    assert "There are state:" in errors(q="colour:red")["q"][0]


@pytest.mark.parametrize(
    ("data", "field", "text"),
    [
        ({"state": "runing"}, "state", "Did you mean `running`?"),
        ({"q": "state:runing"}, "q", "Did you mean `running`?"),
        ({"since": "yesterday"}, "since", "expected 2h, 3d"),
        ({"until": "2026-13-40"}, "until", "expected 2h, 3d"),
        ({"q": "since:"}, "q", "`since:` needs a value"),
        ({"q": "id:0199"}, "q", "at least 8 characters"),
        ({"q": "kind:a kind:b"}, "q", "given twice"),
        ({"q": "x" * 301}, "q", "300"),
    ],
)
def test_wrong_values_are_refused_by_field(data, field, text):
    assert text in errors(**data)[field][0]


def test_an_unknown_owner_is_refused(db):
    assert errors(owner="nobody")["owner"] == ["There is no user `nobody`."]


def test_submitters_are_held_to_their_own_jobs(alice, bob, olga):  # noqa: F811
    assert query(viewer=alice).owner == alice.pk
    assert query(viewer=alice, owner="alice").owner == alice.pk
    assert errors(viewer=alice, owner="bob")["owner"] == ["Only your own jobs are shown to you."]
    assert errors(viewer=alice, q="owner:bob")["q"] == ["Only your own jobs are shown to you."]
    assert query(viewer=olga).owner is None
    assert query(viewer=olga, owner="bob").owner == bob.pk


def test_times_are_iso_days_or_spans():
    assert query(since="2026-11-21T14:00:00Z").since.isoformat() == "2026-11-21T14:00:00+00:00"
    assert query(since="2026-11-21").since.isoformat() == "2026-11-21T00:00:00+00:00"
    assert query(until="2026-11-21").until.isoformat() == "2026-11-22T00:00:00+00:00", "all of that day"
    assert abs(query(until="3d").until - timezone.now() + timedelta(days=3)) < timedelta(seconds=5)


@pytest.mark.parametrize("edge", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00", "99999999999d", "2026-02-30"])
@pytest.mark.parametrize("field", ["since", "until"])
def test_a_time_beyond_the_calendar_is_refused(field, edge):
    assert "is no time" in errors(**{field: edge})[field][0]


def test_an_id_among_the_words_is_looked_up():
    found = query(q="0199f3c2-7a11")
    assert (found.id_prefix, found.words) == ("0199f3c2-7a11", ())
    assert query(q="id:shop-42-order").id_prefix == "shop-42-order"


def test_addresses_are_words_not_qualifiers():
    assert query(q="https://example.com").words == ("https", "example", "com")


def test_a_qualifier_is_taken_out_of_a_search():
    assert qualifiers.without('a state:failed kind:"my task" b', "state") == 'a kind:"my task" b'


def test_words_are_plain_and_names_count_by_their_parts():
    assert words_of("Größe Café_42!") == ["grosse", "cafe", "42"]
    text = words_for("Invoice", "email", "Send email", "alice", "ConnectionRefusedError: no\x00")
    assert {"connectionrefusederror", "refused", "alice", "send"} <= set(text.split())
