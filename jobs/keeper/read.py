"""What a batch asks SQL. Plain, as what it writes (write.py): the ORM would cost more than finding the rows."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db import connection

from jobs.keeper.plan import AttemptChange, JobChange

_JOB = (
    "seq", "id", "kind", "is_kind", "owner_id", "queue", "state", "attempt", "max_attempts", "first_attempt", "assumed",
    "cancel_requested_at", "search", "params", "worker", "outcome", "error_type", "error", "published_at",
    "started_at", "finished_at", "changed", "next_check_at", "workflow_id", "sending", "schedule_id",
)  # fmt: skip
_JOB_MOMENTS = frozenset(
    {"cancel_requested_at", "published_at", "started_at", "finished_at", "changed", "next_check_at"}
)
_ATTEMPT = (
    "job_id", "number", "state", "worker", "pid", "queued_at", "started_at", "finished_at", "next_retry_at",
    "error_type", "error", "traceback", "memory", "cpu_seconds", "message",
)  # fmt: skip
_ATTEMPT_MOMENTS = frozenset({"queued_at", "started_at", "finished_at", "next_retry_at"})


def jobs(ids: Iterable[str]) -> dict[str, JobChange]:
    """Those that there are, by their ids."""
    # Locked: a page's cancel or retry and this batch come one after the other; SQLite has one writer anyway.
    lock = " FOR UPDATE" if connection.features.has_select_for_update else ""
    rows = _rows("jobs_job", _JOB, _JOB_MOMENTS, "id", ids, f"ORDER BY seq{lock}")
    return {str(row[1]): JobChange(*row) for row in rows}


def attempts(seqs: Iterable[int]) -> Iterable[tuple[int, AttemptChange]]:
    """(seq of the job, attempt) of all attempts of these jobs."""
    rows = _rows("jobs_attempt", _ATTEMPT, _ATTEMPT_MOMENTS, "job_id", seqs)
    return [(seq, AttemptChange(*values)) for seq, *values in rows]


def _rows(
    table: str, names: tuple[str, ...], moments: frozenset[str], by: str, values: Iterable[Any], end: str = ""
) -> Iterator[list[Any]]:
    """The columns `names` of the rows whose `by` is one of `values`; those in `moments` as datetimes."""
    among = list(values)
    if not among:
        return
    as_text = connection.vendor == "sqlite"
    # SQLite keeps moments as text, in UTC without saying so. Told so here, each is made by one call; Django's converter
    # and its time zone take five.
    columns = [f"{name} || '+00:00'" if as_text and name in moments else name for name in names]
    places = ", ".join(["%s"] * len(among))
    to_make = [number for number, name in enumerate(names) if name in moments] if as_text else []
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(columns)} FROM {table} WHERE {by} IN ({places}) {end}", among)  # noqa: S608
        for found in cursor.fetchall():
            row = list(found)
            for number in to_make:
                if row[number] is not None:
                    row[number] = datetime.fromisoformat(row[number])
            yield row
