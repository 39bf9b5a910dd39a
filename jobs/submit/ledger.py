"""A ledger lives in Redis, where workers mark it (LINE 14). Where Redis has lost it, SQL's copy goes back."""

from collections.abc import Iterable

from jobs.models import Job, LedgerEntry
from jobs.wire import keys
from jobs.wire.connection import redis_client

#: Jobs of one question, and entries of one round trip.
_JOBS, _ENTRIES = 500, 2_000


def restore(jobs: Iterable[Job]) -> None:
    """Before another attempt is sent, which would else do again what was done. Raises redis errors.

    What Redis has stays: a worker that was believed lost may have marked it after SQL's copy was made.
    """
    again = {job.pk: keys.ledger(job.id) for job in jobs if job.attempt > 1}
    for start in range(0, len(again), _JOBS):
        entries = LedgerEntry.objects.filter(job__in=list(again)[start : start + _JOBS])
        _add(again, entries.values_list("job", "key", "state", "note").iterator(_ENTRIES))


def _add(ledgers: dict[int, str], entries: Iterable[tuple[int, str, str, str]]) -> None:
    pipe, found = redis_client().pipeline(transaction=False), set()
    for job, key, state, note in entries:
        found.add(job)
        pipe.hsetnx(ledgers[job], key, f"{state}\n{note}")
        if len(pipe) >= _ENTRIES:
            pipe.execute()
    for job in found:
        pipe.expire(ledgers[job], keys.LEDGER_EXPIRES)
    if found:
        pipe.execute()
