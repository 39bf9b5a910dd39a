"""What a batch asks SQL. Plain, as what it writes (write.py): the ORM would cost more than finding the rows."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from jobs.keeper.plan import AttemptChange, JobChange

_JOB = (
    "seq", "id", "kind", "is_kind", "owner_id", "queue", "state", "attempt", "max_attempts", "first_attempt", "assumed",
    "cancel_requested_at", "search", "params", "worker", "outcome", "error_type", "error", "published_at",
    "started_at", "finished_at", "changed", "next_check_at", "workflow_id",
)  # fmt: skip
_ATTEMPT = (
    "job_id", "number", "state", "worker", "pid", "queued_at", "started_at", "finished_at", "next_retry_at",
    "error_type", "error", "traceback", "memory", "cpu_seconds",
)  # fmt: skip


def jobs(ids: Iterable[str]) -> dict[str, JobChange]:
    """Those that there are, by their ids."""
    # Locked: a page's cancel or retry and this batch come one after the other; SQLite has one writer anyway.
    lock = " FOR UPDATE" if connection.features.has_select_for_update else ""
    rows = _rows(f"SELECT {', '.join(_JOB)} FROM jobs_job WHERE id IN (%s) ORDER BY seq{lock}", ids)  # noqa: S608
    return {str(row[1]): JobChange(*row) for row in rows}


def attempts(seqs: Iterable[int]) -> Iterable[tuple[int, AttemptChange]]:
    """(seq of the job, attempt) of all attempts of these jobs."""
    rows = _rows(f"SELECT {', '.join(_ATTEMPT)} FROM jobs_attempt WHERE job_id IN (%s)", seqs)  # noqa: S608
    return [(seq, AttemptChange(*values)) for seq, *values in rows]


def _rows(question: str, values: Iterable[Any]) -> Iterator[list[Any]]:
    """question: with %s in place of all values."""
    among = list(values)
    if not among:
        return
    with connection.cursor() as cursor:
        cursor.execute(question % ", ".join(["%s"] * len(among)), among)
        for row in cursor.fetchall():
            # SQLite's driver answers moments in UTC without saying so.
            yield [
                value.replace(tzinfo=UTC) if type(value) is datetime and value.tzinfo is None else value
                for value in row
            ]
