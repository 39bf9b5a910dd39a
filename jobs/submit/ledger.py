"""A ledger lives in Redis, where workers mark it (LINE 14). Where Redis has lost it, SQL's copy goes back."""

from collections.abc import Iterable

from jobs.models import Job, LedgerEntry
from jobs.wire import keys
from jobs.wire.connection import redis_client

_BATCH = 2_000


def restore(jobs: Iterable[Job]) -> None:
    """Before another attempt is sent, which would else do again what was done. Raises redis errors.

    What Redis has stays: a worker that was believed lost may have marked it after SQL's copy was made.
    """
    for job in jobs:
        if job.attempt > 1:
            _restore(job)


def _restore(job: Job) -> None:
    pipe, key = redis_client().pipeline(transaction=False), keys.ledger(job.id)
    number = 0
    for number, entry in enumerate(LedgerEntry.objects.filter(job=job.pk).iterator(_BATCH), 1):
        pipe.hsetnx(key, entry.key, f"{entry.state}\n{entry.note}")
        if number % _BATCH == 0:
            pipe.execute()
    if number:
        pipe.expire(key, keys.LEDGER_EXPIRES)
        pipe.execute()
