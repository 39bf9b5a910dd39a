"""Jobsite's own job history as a table: one row per job, only those that the report's owner may see."""

import csv
import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from jobs.core.access import is_operator

#: Column: type, in the words of `parsing`; `NOTE` says what the last two are.
COLUMNS = {
    "id": "text",
    "title": "text",
    "kind": "text",
    "state": "text",
    "owner": "text",
    "via": "text",
    "queue": "text",
    "priority": "text",
    "worker": "text",
    "attempts": "number",
    "error": "text",
    "created": "date and time",
    "started": "date and time",
    "finished": "date and time",
    "waited": "number",
    "took": "number",
}
NOTE = "“waited” is from submission, or the due time, to the start; “took” from there to the end; in seconds."
CHUNK = 2000


def write_jobs(
    target: Path, owner: str, since: dt.datetime | None, until: dt.datetime | None, report: Callable[[int, int], None]
) -> int:
    """Write the jobs created from `since` until before `until` as CSV without a header; answers how many.

    owner: user name; "" is a job without owner, which only operators can see and start.
    report: gets rows so far and rows in all.
    """
    jobs = _visible_jobs(owner)
    if since:
        jobs = jobs.filter(created__gte=since)
    if until:
        jobs = jobs.filter(created__lt=until)
    total, rows = jobs.count(), 0
    with target.open("w", encoding="utf-8", newline="") as file:
        write = csv.writer(file).writerow
        for row in _rows(jobs):
            write(row)
            rows += 1
            if not rows % CHUNK:
                report(rows, max(rows, total))
    return rows


def _visible_jobs(owner: str) -> Any:
    from django.contrib.auth import get_user_model

    from jobs.models import Job

    if not owner:
        return Job.objects.all()
    users = get_user_model()
    user = users.objects.filter(**{users.USERNAME_FIELD: owner}).first()
    if user is None:
        return Job.objects.none()
    return Job.objects.all() if is_operator(user) else Job.objects.filter(owner=user)


def _rows(jobs: Any) -> Iterator[list[Any]]:
    from django.contrib.auth import get_user_model

    from jobs.core.priorities import NAMES
    from jobs.core.states import SHOWN, shown_as

    user_name = f"owner__{get_user_model().USERNAME_FIELD}"
    fields = (
        "id", "title", "kind", "state", user_name, "via", "queue", "priority", "worker", "attempt", "error_type",
        "created", "due_at", "started_at", "finished_at", "blocked",
    )  # fmt: skip
    now = dt.datetime.now(dt.UTC)
    for values in jobs.order_by("created", "seq").values_list(*fields).iterator(chunk_size=CHUNK):
        (job, title, kind, state, owner, via, queue, priority, worker, attempt, error) = values[:11]
        created, due, started, finished, blocked = values[11:]
        shown = SHOWN[shown_as(state, waits_for_due=blocked or bool(due and due > now))]
        ready = max(created, due) if due else created
        name = NAMES.get(priority, str(priority))
        yield [
            job, title, kind, shown, owner or "", via, queue, name, worker, attempt, error,
            _stamp(created), _stamp(started), _stamp(finished), _seconds(ready, started), _seconds(started, finished),
        ]  # fmt: skip


def _stamp(moment: dt.datetime | None) -> str:
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment else ""


def _seconds(start: dt.datetime | None, end: dt.datetime | None) -> str:
    return f"{max(0.0, (end - start).total_seconds()):.3f}" if start and end else ""
