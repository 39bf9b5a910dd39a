"""The suppression list: addresses that are never written to. SQL has it; workers read the copy in Redis (LINE 13)."""

import contextlib
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from django.db import connection, transaction

from jobs.core.kind import Context
from jobs.kinds._email.book import TemporaryFailure
from jobs.models import AuditEntry, Suppression
from jobs.wire import keys
from jobs.wire.connection import UNREACHABLE, breaker, redis_client

#: Addresses of one query.
_BATCH = 500
#: [s] that a worker waits for a copy that is not there, and between its looks.
WAITS, LOOK = 120.0, 0.5
#: Addresses that an audit entry names.
_TOLD = 50


def listed(addresses: Iterable[str]) -> dict[str, str]:
    """{address in lower case: reason} of those on the list, from SQL."""
    if _is_empty():
        return {}
    found: dict[str, str] = {}
    for some in _batches(addresses):
        found.update(Suppression.objects.filter(address__in=some).values_list("address", "reason"))
    return found


def _is_empty() -> bool:
    """Asked of every mailing that is submitted, where making the question takes the ORM ten times as long as SQL."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT 1 FROM {Suppression._meta.db_table} LIMIT 1")  # noqa: S608
        return cursor.fetchone() is None


def listed_now(addresses: Iterable[str], ctx: Context) -> dict[str, str]:
    """The same from the copy, for a worker; waits for one, since it may have to be made anew.

    Raises TemporaryFailure where there is none: nothing may be sent then.
    """
    until = time.monotonic() + WAITS
    while True:
        try:
            found = _in_copy(list(addresses))
        except UNREACHABLE as error:
            trouble = str(error)
        else:
            if found is not None:
                return found
            trouble = "the keeper has not copied it for the workers"
        if time.monotonic() > until:
            raise TemporaryFailure(f"the suppression list cannot be read: {trouble}")
        time.sleep(LOOK)
        ctx.check()


def _in_copy(addresses: list[str]) -> dict[str, str] | None:
    """None where there is no whole copy."""
    found: dict[str, str] = {}
    for some in _batches(addresses):
        complete, *reasons = redis_client().hmget(keys.SUPPRESSED, keys.COMPLETE, *some)
        if complete is None:
            return None
        found.update({key: reason for key, reason in zip(some, reasons, strict=True) if reason is not None})
    return found


def add(addresses: Iterable[str], reason: str, user: Any = None, via: str = "form") -> int:
    """Put addresses on the list; how many were not on it yet."""
    fresh: list[str] = []
    for some in _batches(addresses):
        with transaction.atomic():
            known = set(Suppression.objects.filter(address__in=some).values_list("address", flat=True))
            new = [key for key in some if key not in known]
            who = user if user is not None and user.pk else None
            Suppression.objects.bulk_create(
                [Suppression(address=key, reason=reason, added_by=who) for key in new], ignore_conflicts=True
            )
        if new:
            _change_copy("hset", mapping=dict.fromkeys(new, reason))
        fresh += new
    if fresh:
        AuditEntry.record(user, "suppress", target=_named(fresh), via=via, reason=reason, addresses=fresh[:_TOLD])
    return len(fresh)


def remove(addresses: Iterable[str], user: Any = None, via: str = "form") -> int:
    """Take addresses off the list; how many were on it."""
    gone: list[str] = []
    for some in _batches(addresses):
        with transaction.atomic():
            rows = Suppression.objects.filter(address__in=some)
            found = list(rows.values_list("address", flat=True))
            rows.delete()
        if found:
            _change_copy("hdel", *found)
        gone += found
    if gone:
        AuditEntry.record(user, "end suppression", target=_named(gone), via=via, addresses=gone[:_TOLD])
    return len(gone)


def _change_copy(command: str, *args: Any, **kwargs: Any) -> None:
    """At once, so that a mailing under way follows; what fails here the keeper makes good."""
    with contextlib.suppress(ConnectionError):
        breaker.call(lambda: getattr(redis_client(), command)(keys.SUPPRESSED, *args, **kwargs))


def _named(addresses: list[str]) -> str:
    return addresses[0][:200] if len(addresses) == 1 else f"{len(addresses):,} addresses"


def _batches(addresses: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(dict.fromkeys(address.casefold() for address in addresses))
    while some := list(islice(rest, _BATCH)):
        yield some
