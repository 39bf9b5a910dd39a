"""How long attempts waited and ran: counted by the keeper, read as half and nearly all."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as some

from jobs.core.buckets import SHORTEST, bucket_of, middle_of
from jobs.core.states import State
from jobs.fleet.timings import course
from jobs.keeper import prune
from jobs.keeper.record import record
from jobs.models import Timing
from jobs.submit import submit
from jobs.wire import events
from tests.unit.test_record import event

#: The minute of the events that `event` makes.
MINUTE = datetime.fromtimestamp(1_790_000_000, UTC).replace(second=0)
needs_sql = pytest.mark.django_db


def counted():
    return set(Timing.objects.values_list("measure", "bucket", "number"))


@given(some.floats(min_value=SHORTEST * 1.001, max_value=365 * 86_400))
def test_the_middle_of_a_bucket_is_a_tenth_off_at_most(seconds):
    assert middle_of(bucket_of(seconds)) == pytest.approx(seconds, rel=0.1)


def test_what_is_shorter_than_the_shortest_is_one_bucket():
    assert bucket_of(-1) == bucket_of(0) == bucket_of(SHORTEST) == 0


@needs_sql
def test_each_attempt_is_counted_once_with_its_wait_and_its_run():
    first, second = submit("add", {}), submit("add", {})
    batch = [
        event(first, 0, events.QUEUED),
        event(second, 0, events.QUEUED),
        event(first, 200, State.STARTED),
        event(second, 200, State.STARTED),
        event(first, 1200, State.RETRY, error="once more", next=1_790_000_002.0),
        event(second, 3200, State.SUCCESS, result="5"),
        event(first, 2000, events.QUEUED, 2),
        event(first, 2200, State.STARTED, 2),
    ]
    for part in (batch[:3], batch[3:], batch):
        record(part)
    wait = bucket_of(0.2)
    assert counted() == {("wait", wait, 3), ("run", bucket_of(1), 1), ("run", bucket_of(3), 1)}
    assert set(Timing.objects.values_list("minute", flat=True)) == {MINUTE}


@needs_sql
def test_what_never_ran_and_what_was_only_concluded_is_no_run():
    cancelled, lost = submit("add", {}), submit("add", {})
    record([event(cancelled, 0, events.QUEUED), event(cancelled, 10, State.REVOKED)])
    record([event(lost, 0, events.QUEUED), event(lost, 10, State.STARTED), event(lost, 9000, State.LOST)])
    assert counted() == {("wait", bucket_of(0.01), 1)}


@needs_sql
def test_half_and_nearly_all_are_read_of_each_minute_and_of_all():
    now = MINUTE + timedelta(seconds=30)
    for minute, seconds, number in ((0, 0.1, 50), (0, 10, 44), (0, 60, 6), (2, 1, 1), (99, 500, 9)):
        at = MINUTE - timedelta(minutes=minute)
        Timing.objects.create(minute=at, measure="run", bucket=bucket_of(seconds), number=number)
    found = course("run", 3, now)
    before, gap, last = found.minutes
    assert (before.half, before.most) == pytest.approx((1, 1), rel=0.1)
    assert gap is None
    assert (last.half, last.most) == pytest.approx((0.1, 60), rel=0.1)
    assert (found.overall.half, found.overall.most) == pytest.approx((1, 60), rel=0.1)
    assert course("wait", 3, now) is None


@needs_sql
def test_what_no_chart_reads_any_more_is_pruned():
    now = timezone.now()
    for hours in (23, 25):
        Timing.objects.create(minute=now - timedelta(hours=hours), measure="run", bucket=hours, number=1)
    prune.step()
    assert [timing.bucket for timing in Timing.objects.all()] == [23]
