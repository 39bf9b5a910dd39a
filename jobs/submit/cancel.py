"""Cancelling: taken at once where no worker has the job, a wish otherwise until the worker confirms it (LINE 8)."""

import contextlib
from datetime import datetime
from typing import Any

from django.utils import timezone

from jobs.core.errors import Conflict
from jobs.core.states import FINAL, State
from jobs.models import Attempt, AuditEntry, Job
from jobs.models.job import Via
from jobs.models.writing import write
from jobs.submit.live import wait_for_record
from jobs.wire import celery_result, events, keys, scripts
from jobs.wire.connection import breaker, redis_client


def cancel(job: Job, user: Any = None, via: str = "form") -> Job:
    """Ask that a job end. Raises Conflict where it has ended already.

    On return it is REVOKED (nobody had claimed it) or carries the wish, which the keeper repeats until it is met.
    """
    wait_for_record(job)
    now = timezone.now()
    with write():
        # Conditional, so that a job which ends at this moment keeps its true end.
        wished = (
            Job.objects.filter(pk=job.pk)
            .exclude(state__in=FINAL)
            .update(cancel_requested_at=now, changed=now, next_check_at=now)
        )
        if not wished:
            job.refresh_from_db()
            raise Conflict(f"The job has ended already: {job.shown_word.lower()}.", job.state)
        AuditEntry.record(user, "cancel", job=job, via=via)
    job.refresh_from_db()
    with contextlib.suppress(ConnectionError):  # the wish is in SQL: the keeper carries it out once Redis is back
        if carry_out(job) == "final":
            wait_for_record(job)  # the keeper read the wish and carried it out first, or the job has just ended
    job.refresh_from_db()
    return job


def carry_out(job: Job) -> str:
    """Tell Redis of the wish. Answers the verdict of `cancel.lua`. Raises ConnectionError."""
    now = timezone.now()
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)  # as the event tells it
    verdict = breaker.call(_ask, job, now)
    if verdict == "revoked":
        revoke_unclaimed(job, now)
    return verdict


def _ask(job: Job, now: datetime) -> str:
    result, owner = celery_result.of_an_end(job.id, State.REVOKED, celery_result.revoked()), str(job.owner_id or "")
    return scripts.call(
        redis_client(),
        "cancel",
        [keys.run(job.id), keys.EVENTS, keys.result(job.id), keys.CANCELS, keys.PAUSES],
        [
            job.attempt,
            events.encode(State.REVOKED, job.id, job.attempt, owner, worker="", ended=now.timestamp()),
            result,
            scripts.KEEP_FINAL,
            scripts.KEEP_FINAL,
            job.id,
            "1" if job.state == State.STARTED else "0",
            "1" if awaits_message(job) else "0",
        ],
    )


def awaits_message(job: Job) -> bool:
    """Whether Celery code sent it and its message is still to come: it will take the cancel with it."""
    return job.via == Via.CELERY and job.published_at is None and job.started_at is None


def revoke_unclaimed(job: Job, now: datetime) -> None:
    """End in SQL what no worker has: the WHERE leaves a job alone that was claimed meanwhile."""
    with write():
        ended = Job.objects.filter(pk=job.pk, attempt=job.attempt, state__in=[State.PENDING, State.RETRY]).update(
            state=State.REVOKED, finished_at=now, changed=now, next_check_at=None
        )
        if ended:
            Attempt.objects.update_or_create(
                job_id=job.pk, number=job.attempt, defaults={"state": State.REVOKED, "finished_at": now}
            )
