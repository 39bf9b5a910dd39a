"""Finished jobs like real ones, by the hundred thousand: Job, Attempt and TaskResult rows, and the search index.

    python -m benchmarks.rows 1000000      (with the environment of the site that gets them)

SQLite takes them by executemany, PostgreSQL by COPY; the full-text index is made afterwards, in one go.
"""

import json
import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.db.models import Model  # noqa: E402
from django_celery_results.models import TaskResult  # noqa: E402

from benchmarks.words import ERRORS, KINDS, WORDS, pick_state  # noqa: E402
from jobs.browse import search  # noqa: E402
from jobs.core.search_words import words_for  # noqa: E402
from jobs.core.signature import signature_of  # noqa: E402
from jobs.models import Attempt, Job  # noqa: E402
from jobs.models.job import new_id  # noqa: E402

CHUNK = 10_000
OWNERS = 20
JOB = (
    "seq", "id", "kind", "is_kind", "title", "owner_id", "via", "queue", "priority", "params", "state", "attempt",
    "max_attempts", "first_attempt", "assumed", "worker", "outcome", "error_type", "error", "created", "published_at",
    "started_at", "finished_at", "changed", "signature", "search",
)  # fmt: skip
ATTEMPT = (
    "job_id", "number", "state", "worker", "pid", "queued_at", "started_at", "finished_at", "error_type", "error",
    "traceback", "memory", "cpu_seconds",
)  # fmt: skip
RESULT = (
    "task_id", "task_name", "task_args", "task_kwargs", "content_type", "content_encoding", "date_created", "status",
    "worker", "result", "traceback", "meta", "date_started", "date_done",
)  # fmt: skip


def jobs(count: int, first_seq: int, owners: list[tuple[int, str]]) -> Iterator[tuple[tuple[Any, ...], ...]]:
    """(job, attempt, attempt of a first failure or None, result) of each, the oldest first, over 30 days."""
    dice = random.Random(7)
    zone = "" if connection.vendor == "sqlite" else "+00"
    start = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=30)
    pace = timedelta(days=30) / count
    yes, no = (1, 0) if connection.vendor == "sqlite" else (True, False)
    weights = [weight for *_, weight in KINDS]
    signatures = {"": "", **{name: signature_of(name, message) for name, message in ERRORS}}
    for number in range(count):
        kind, label, pool, _ = dice.choices(KINDS, weights)[0]
        owner, name = dice.choice(owners)
        state = pick_state(dice)
        title = f"{dice.choice(WORDS).title()} {dice.choice(WORDS)} {dice.randrange(1000)}"
        error_type, error = dice.choice(ERRORS) if state == "FAILURE" else ("", "")
        retried = dice.random() < 0.05
        created = start + pace * number
        begun, took = created + timedelta(seconds=dice.random() * 3), timedelta(seconds=dice.expovariate(0.2))
        at, begun_at, ended_at = (f"{moment.isoformat(' ')}{zone}" for moment in (created, begun, begun + took))
        params = json.dumps({"subject": title, "to": "one@example.org", "width": dice.randrange(100, 4000)})
        result = json.dumps({"summary": f"{title}: done in {took.seconds} s"})
        worker, job_id, seq = f"{pool}@host-{number % 4}", new_id(), first_seq + number
        last = 2 if retried else 1
        job = (
            seq, job_id, kind, yes, title, owner, "api", pool, 6, params, state, last, 5, 1, no, worker,
            f"{title}: done" if state == "SUCCESS" else "", error_type, error, at, at, begun_at, ended_at, ended_at,
            signatures[error_type], words_for(title, kind, label, name, f"{error_type} {error}"),
        )  # fmt: skip
        trace = f'Traceback (most recent call last):\n  File "run.py", line {number % 900}\n{error_type}: {error}'
        ended = (worker, 4242, at, begun_at, ended_at)
        attempt = (seq, last, state, *ended, error_type, error, trace if error else "", 80_000_000, 0.4)
        failed = (seq, 1, "RETRY", *ended, "TimeoutError", "timed out", trace, 80_000_000, 0.1) if retried else None
        done = (
            job_id, f"jobs.{kind}", "[]", params, "application/json", "utf-8", begun_at, state, worker,
            result if state == "SUCCESS" else json.dumps({"exc_type": error_type, "exc_message": [error]}),
            trace if error else None, '{"children": []}', begun_at, ended_at,
        )  # fmt: skip
        yield job, attempt, failed, done


def write(model: type[Model], columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    """Insert rows; columns that are not named take the model's default."""
    table = model._meta.db_table
    others = [field for field in model._meta.concrete_fields
              if not (field.primary_key or field.null or field.column in columns)]  # fmt: skip
    names = ", ".join((*columns, *(field.column for field in others)))
    defaults = tuple(field.get_db_prep_save(field.get_default(), connection) for field in others)
    full = [row + defaults for row in rows]
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            places = ", ".join(["%s"] * len(full[0]))
            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", full)
            return
        with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
            for row in full:
                copy.write_row(row)


def load(count: int) -> None:
    users = get_user_model()
    users.objects.bulk_create([users(username=f"person-{n:02}") for n in range(OWNERS)], ignore_conflicts=True)
    owners = list(users.objects.filter(username__startswith="person-").values_list("pk", "username"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT COALESCE(MAX(seq), 0) FROM jobs_job")
        source = jobs(count, cursor.fetchone()[0] + 1, owners)
    search.uninstall()
    for start in range(0, count, CHUNK):
        made = [next(source) for _ in range(min(CHUNK, count - start))]
        with transaction.atomic():
            write(Job, JOB, [job for job, *_ in made])
            write(Attempt, ATTEMPT, [row for _, *pair, _ in made for row in pair if row])
            write(TaskResult, RESULT, [done for *_, done in made])
    search.install()
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT setval('jobs_job_seq_seq', (SELECT MAX(seq) FROM jobs_job))")
        else:
            # A sample is enough; of ten million jobs all that every index holds took longer than loading them.
            cursor.execute("PRAGMA analysis_limit=1000")
        cursor.execute("ANALYZE")


if __name__ == "__main__":
    began = time.perf_counter()
    load(int(sys.argv[1]))
    print(f"{time.perf_counter() - began:.1f}")
