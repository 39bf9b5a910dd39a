"""The statements of a batch. Plain SQL where the ORM's bulk operations would cost more than the writing itself."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any

from django.db import connection

from jobs.core.outcome import clean
from jobs.core.states import State
from jobs.keeper import foreign
from jobs.keeper.plan import SHOWN, AttemptChange, Count, JobChange
from jobs.models import Artifact, Incident, LedgerEntry, LogLine, Schedule
from jobs.wire.events import Event, exact_moment

_PUBLISHED_SET = ("published_at", "changed", "next_check_at")
_JOB_SET = (*SHOWN, "signature", "max_attempts", *_PUBLISHED_SET)
_ATTEMPT_SET = (
    "state", "worker", "pid", "queued_at", "started_at", "finished_at", "next_retry_at", "error_type", "error",
    "traceback", "memory", "cpu_seconds", "message",
)  # fmt: skip
_RESULT_SET = ("status", "worker", "result", "traceback", "meta", "date_started", "date_done", "periodic_task_name")

_attempt_values = attrgetter(*_ATTEMPT_SET[1:])


def jobs(rows: list[JobChange]) -> None:
    # More than half of what SQL does for a row is its indices, and being published touches one.
    published: list[JobChange] = []
    changed: list[JobChange] = []
    for row in rows:
        (changed if row.is_changed else published).append(row)
    _update(_PUBLISHED_SET, published)
    _update(_JOB_SET, changed)


def _update(names: tuple[str, ...], rows: list[JobChange]) -> None:
    values = attrgetter(*names, "seq")
    _many(
        f"UPDATE jobs_job SET {', '.join(f'{name} = %s' for name in names)} WHERE seq = %s",  # noqa: S608
        [values(row) for row in rows],
    )


def search_words(rows: list[JobChange]) -> None:
    """Apart from the rest, since each change of this column costs the full-text index."""
    _many("UPDATE jobs_job SET search = %s WHERE seq = %s", [(row.search, row.seq) for row in rows])


def sendings(rows: list[tuple[JobChange, Event]]) -> None:
    """What a message says of its call; of an id that was sent again also that nobody has wished this one cancelled."""
    _many(
        "UPDATE jobs_job SET sending = %s, first_attempt = %s, cancel_requested_at = NULL WHERE seq = %s",
        [(job.sending, job.first_attempt, job.seq) for job, event in rows if event.attempt != 1],
    )
    _many(
        "UPDATE jobs_job SET params = %s, queue = %s, priority = %s WHERE seq = %s",
        [
            (json.dumps(foreign.params_of(event)), job.queue, foreign.priority_of(event), job.seq)
            for job, event in rows
            if not job.is_kind and "args" in event.fields
        ],
    )


def workflows(rows: list[tuple[str, int]]) -> None:
    """(workflow, seq of a job) of those that are in one by Celery's own word."""
    _many("UPDATE jobs_job SET workflow_id = %s WHERE seq = %s", rows)


def attempts(rows: list[tuple[int, AttemptChange]]) -> None:
    columns = ("job_id", "number", *_ATTEMPT_SET)
    _many(
        _upsert("jobs_attempt", columns, ("job_id", "number"), _ATTEMPT_SET),
        [(seq, row.number, row.state or State.PENDING, *_attempt_values(row)) for seq, row in rows],
    )


def results(rows: list[tuple[JobChange, tuple[str, str], Event, AttemptChange | None]]) -> None:
    """django-celery-results' row of each job that ended, whole and once; none where Celery itself keeps them there."""
    schedules = {job.schedule for job, *_ in rows if job.schedule}
    names = dict(Schedule.objects.filter(pk__in=schedules).values_list("pk", "task__name")) if schedules else {}
    columns = (
        "task_id", "task_name", "task_args", "task_kwargs", "content_type", "content_encoding", "date_created",
        *_RESULT_SET,
    )  # fmt: skip
    _many(
        _upsert("django_celery_results_taskresult", columns, ("task_id",), _RESULT_SET),
        [
            _result(job, params, event, attempt, names.get(job.schedule or 0) or event.fields.get("periodic"))
            for job, params, event, attempt in rows
        ],
    )


def _result(
    job: JobChange, params: tuple[str, str], event: Event, attempt: AttemptChange | None, periodic: str | None
) -> tuple[Any, ...]:
    fields = event.fields
    if event.type == State.SUCCESS:
        result = fields.get("result") or "null"
    else:
        result = json.dumps(
            {"exc_type": fields.get("error_type", ""), "exc_message": [fields.get("error", "")], "exc_module": ""}
        )
    started, worker = (attempt.started_at, attempt.worker) if attempt else (None, "")
    name = f"jobs.{job.kind}" if job.is_kind else job.kind
    return (
        job.id, name, clean(params[0]), clean(params[1]), "application/json", "utf-8", started or event.at,
        str(event.type), worker[:100], clean(result), clean(fields.get("traceback")) or None,
        json.dumps({"children": fields.get("children", [])}), started, event.at, clean(periodic)[:255] or None,
    )  # fmt: skip


def logs(rows: list[tuple[int, Event]]) -> None:
    LogLine.objects.bulk_create(
        [
            LogLine(job_id=seq, attempt=event.attempt, event=f"{event.id}.{n}", at=_moment(at), text=clean(text))
            for seq, event in rows
            for n, (at, text) in enumerate(event.fields["lines"])
        ],
        ignore_conflicts=True,
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def artifacts(rows: list[tuple[JobChange, Event]]) -> None:
    Artifact.objects.bulk_create(
        [
            Artifact(
                id=event.fields["artifact"],
                job_id=job.seq,
                owner_id=job.owner,
                attempt=event.attempt,
                name=clean(event.fields["name"])[:255],
                content_type=clean(event.fields.get("content_type"))[:100],
                size=event.fields["size"],
                path=event.fields["path"],
                created=exact_moment(event.id),
            )
            for job, event in rows
        ],
        ignore_conflicts=True,
    )


def ledger(rows: list[tuple[int, Event]]) -> None:
    LedgerEntry.objects.bulk_create(
        [
            LedgerEntry(
                job_id=seq, key=clean(event.fields["key"])[:320], state=clean(event.fields["state"])[:20],
                note=clean(event.fields.get("note"))[:500], at=event.at,
            )
            for seq, event in rows
        ],
        update_conflicts=True, unique_fields=["job", "key"], update_fields=["state", "note", "at"],
    )  # fmt: skip


def incidents(rows: list[tuple[int | None, Event]]) -> None:
    Incident.objects.bulk_create(
        [
            Incident(
                id=event.fields["incident"][:32], job_id=seq, attempt=event.attempt,
                task=clean(event.fields.get("task"))[:255], worker=clean(event.fields.get("worker"))[:255],
                at=event.at, seconds=event.fields["seconds"], where=clean(event.fields.get("where"))[:300],
            )
            for seq, event in rows
        ],
        update_conflicts=True, unique_fields=["id"], update_fields=["at", "seconds", "where", "job", "task", "attempt"],
    )  # fmt: skip


def throughput(counts: dict[tuple[datetime, str], Count]) -> None:
    """Added to what the minutes have; in the batch's own transaction, so that nothing is counted twice."""
    _many(
        "INSERT INTO jobs_throughput (minute, queue, entered, finished, failed) VALUES (%s, %s, %s, %s, %s) "
        "ON CONFLICT (minute, queue) DO UPDATE SET entered = jobs_throughput.entered + excluded.entered, "
        "finished = jobs_throughput.finished + excluded.finished, failed = jobs_throughput.failed + excluded.failed",
        [(minute, queue, count.entered, count.finished, count.failed) for (minute, queue), count in counts.items()],
    )


def timings(numbers: dict[tuple[datetime, str, int], int]) -> None:
    """Added, as above."""
    _many(
        "INSERT INTO jobs_timing (minute, measure, bucket, number) VALUES (%s, %s, %s, %s) "
        "ON CONFLICT (minute, measure, bucket) DO UPDATE SET number = jobs_timing.number + excluded.number",
        [(*key, number) for key, number in numbers.items()],
    )


def _upsert(table: str, columns: tuple[str, ...], unique: tuple[str, ...], update: tuple[str, ...]) -> str:
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))}) "  # noqa: S608
        f"ON CONFLICT ({', '.join(unique)}) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in update)}"
    )


def _many(statement: str, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(statement, _for_driver(rows))


def _for_driver(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows with datetimes and states as the driver takes them. Of every value of every event, so it must be cheap:
    only columns that have such values are gone through."""
    moment = _sqlite_moment if connection.vendor == "sqlite" else _unchanged
    columns: list[Iterable[Any]] = []
    for column in zip(*rows, strict=True):
        types = set(map(type, column))
        if datetime in types:
            columns.append([moment(value) if type(value) is datetime else value for value in column])
        elif State in types:
            columns.append([str(value) if type(value) is State else value for value in column])
        else:
            columns.append(column)
    return list(zip(*columns, strict=True))


@lru_cache(maxsize=4_096)  # one event's time goes into several columns of several tables
def _sqlite_moment(value: datetime) -> str:
    """As Django writes it: UTC, without saying so."""
    return value.astimezone(UTC).isoformat(" ")[:-6]


def _unchanged(value: datetime) -> datetime:
    return value
