"""One loop for all that is to be sent: due, unpublished, to be retried, cancelled, lost by the broker (LINE 5)."""

import json
import logging
from datetime import datetime, timedelta

from django.db.models import F
from django.utils import timezone

from jobs.core.ids import stored_id
from jobs.core.states import FINAL, State
from jobs.keeper import unheard
from jobs.keeper.admit import Admission, anybody_waits, hold
from jobs.keeper.settle import settle
from jobs.models import Job
from jobs.submit import ledger
from jobs.submit.cancel import carry_out, revoke_unclaimed
from jobs.submit.messages import message_for
from jobs.wire import keys, workers
from jobs.wire.connection import redis_client
from jobs.wire.publish import PUBLISHED_HEADER, publish
from jobs.workflows import advance

log = logging.getLogger(__name__)

BATCH = 500
#: [s] by which a message must be older than the oldest one in its list to count as lost.
OVERDUE = 10.0
#: [s] for which an entry of kombu's unacked index is believed that does not say whose it is: workers renew theirs every
#: 30 s (worker/visibility.py).
UNACKED_FRESH = 90.0
#: Beyond so many unrecorded events, or this share of Redis' memory, nothing is added (LINE 11).
MOST_EVENTS, MOST_MEMORY = 1_000_000, 0.8


def step(admission: Admission, *, settled: bool) -> int:
    """Handle what is due; answers how many jobs were looked at. `settled`: whether lost messages may be sent again.

    Raises ConnectionError and redis errors.
    """
    now = timezone.now()
    due = list(Job.objects.filter(next_check_at__lte=now).order_by("next_check_at").select_related("owner")[:BATCH])
    if not due and not anybody_waits():
        return 0
    wished = [job for job in due if job.cancel_requested_at and job.state not in FINAL]
    for job in wished:
        _cancel(job, now)
    rest = [job for job in due if job not in wished]
    _look_again(now, [job for job in rest if job.state == State.STARTED or job.state in FINAL], None)
    if _must_hold_back():
        log.warning("Redis is nearly full: nothing is published for now")
        return 0
    _publish(now, admission.admitted(now))
    fresh = [job for job in rest if job.state == State.PENDING and job.published_at is None]
    unblocked = _unblock(now, [job for job in fresh if job.blocked])
    again = [_next_attempt(job, now) for job in rest if job.state == State.RETRY]
    unheld = [*again, *unblocked, *(job for job in fresh if not job.blocked)]
    _publish(now, hold([job for job in unheld if job is not None]))
    _find_lost(now, [job for job in rest if job.state == State.PENDING and job.published_at is not None], settled)
    return len(due)


def _cancel(job: Job, now: datetime) -> None:
    """Repeat a wish until it is met: the first telling may have met a Redis that was away."""
    verdict = carry_out(job)
    if verdict == "final" and redis_client().hget(keys.run(job.id), "state") == State.REVOKED:
        revoke_unclaimed(job, now)
    _look_again(now, [job], 5.0)


def _unblock(now: datetime, blocked: list[Job]) -> list[Job]:
    """The jobs that may start, of those before which all have ended."""
    ready: list[Job] = []
    told: list[Job] = []
    for job in blocked:
        try:
            ready += advance.release(job, now)
        except advance.NeverStarts as never:
            settle(job.id, job.attempt, str(job.owner_id or ""), never.state, never.error_type, never.text)
            told.append(job)
    # Until SQL has it: Redis may lose the event before, and nothing else would mark them again.
    _look_again(now, told, 15.0)
    # Whoever is still to wait is marked again when the next one before it ends.
    _look_again(now, blocked, None)
    return ready


def _next_attempt(job: Job, now: datetime) -> Job | None:
    """RETRY n becomes PENDING n+1. Conditional: a person's cancel or a late success in between wins."""
    moved = Job.objects.filter(pk=job.pk, state=State.RETRY, attempt=job.attempt).update(
        state=State.PENDING,
        attempt=F("attempt") + 1,
        assumed=False,
        published_at=None,
        changed=now,
        next_check_at=now + timedelta(seconds=5),
    )
    if not moved:
        return None
    job.attempt += 1
    job.state = State.PENDING
    return job


def _publish(now: datetime, ready: list[Job], *, force: bool = False) -> None:
    if not ready:
        return
    ledger.restore(ready)
    verdicts = publish((message_for(job, job.owner.get_username() if job.owner else "") for job in ready), force=force)
    if force:
        log.warning("sent again, since the broker has lost them: %d", verdicts.count("queued"))
    # The QUEUED event sets the time of publishing; should it never come, the job is looked at again.
    _look_again(now, ready, 15.0)


def _find_lost(now: datetime, jobs: list[Job], settled: bool) -> None:
    if not jobs:
        return
    if not settled:
        _look_again(now, jobs, 5.0)
        return
    heads = {key: _head(*key) for key in {(job.queue, job.priority) for job in jobs}}
    suspects = [job for job in jobs if _is_overdue(job, heads[job.queue, job.priority], now)]
    in_hand = _in_hand() if suspects else set()
    gone = [job for job in suspects if job.id not in in_hand]
    elsewhere = unheard.among(jobs)
    unheard.look_at(elsewhere, [job for job in gone if job in elsewhere], now)
    lost = [job for job in gone if job not in elsewhere]
    _publish(now, lost, force=True)
    for job in jobs:
        if job not in lost:
            # A long queue is asked about ever more rarely, so that asking stays cheap.
            waited = (now - job.published_at).total_seconds() if job.published_at else 0.0
            _look_again(now, [job], min(300.0, max(15.0, waited / 2)))


def _is_overdue(job: Job, head: float | None, now: datetime) -> bool:
    published = job.published_at.timestamp() if job.published_at else 0.0
    if head is None:
        return now.timestamp() - published > 2.0
    return published < head - OVERDUE


def _head(queue: str, priority: int) -> float | None:
    """When the oldest message of a list was published [s since 1970]; None: the list is empty."""
    text = redis_client().lindex(keys.queue(queue, priority), -1)
    if text is None:
        return None
    try:
        return float(json.loads(text)["headers"].get(PUBLISHED_HEADER) or 0) / 1000
    except (ValueError, KeyError, TypeError, AttributeError):
        return 0.0


def _in_hand() -> set[str]:
    """Jobs whose message some living worker has taken and not acknowledged."""
    client = redis_client()
    seconds, _ = client.time()
    fresh = client.zrangebyscore(keys.UNACKED_INDEX, seconds - UNACKED_FRESH, "+inf")
    if not fresh:
        return set()
    messages = [json.loads(text)[0] for text in client.hmget(keys.UNACKED, fresh) if text]
    holders = {message.get(keys.HOLDER) for message in messages}
    # Judged from outside, and so perhaps wrongly: of a message that is sent twice the claim refuses one (LINE 1).
    gone = {name for name in holders if name and workers.is_gone(name)}
    return {stored_id(str(each.get("headers", {}).get("id"))) for each in messages if each.get(keys.HOLDER) not in gone}


def _must_hold_back() -> bool:
    client = redis_client()
    memory = client.info("memory")
    if memory.get("maxmemory") and memory["used_memory"] > MOST_MEMORY * memory["maxmemory"]:
        return True
    return bool(client.xlen(keys.EVENTS) > MOST_EVENTS)


def _look_again(now: datetime, jobs: list[Job], after: float | None) -> None:
    """When dispatch sees these next; never: None. Rows that somebody has marked as due since `now` are left alone."""
    if jobs:
        later = None if after is None else now + timedelta(seconds=after)
        Job.objects.filter(pk__in=[job.pk for job in jobs], next_check_at__lte=now).update(next_check_at=later)
