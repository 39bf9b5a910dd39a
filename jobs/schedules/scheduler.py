"""The scheduler's life: one of several acts, under an SQL lease."""

import logging
import threading
import time
from datetime import UTC, datetime
from typing import Any

from django.db import DatabaseError, connection
from django.utils import timezone
from django_celery_beat.models import PeriodicTasks
from django_celery_beat.schedulers import DatabaseScheduler

from jobs.models import Schedule
from jobs.models.lease import Leader
from jobs.schedules.code import take_in
from jobs.schedules.fire import BATCH, fire_due, release_held
from jobs.schedules.reckon import look_again, reckon_all

log = logging.getLogger(__name__)

#: [s] after which another takes over from one that vanished; it looks each second.
LEASE = 8.0
#: [s] between looks for changes made without a signal of Django's (QuerySet.update), and the part of all time that
#: they may take where there are so many schedules that it counts.
RECKON_EVERY, RECKON_PART = 4.0, 0.01
#: [s] of the longest sleep: a schedule made meanwhile by another process starts at most so late.
LONGEST_SLEEP = 0.5
#: [s] of sleep after a start: what falls due meanwhile starts together, at a fraction of the cost for each.
GATHER = 0.05
#: When something was last changed as django-celery-beat tells it, the first run, whether any is held back. One plain
#: statement: an idle turn costs no more than it, however many schedules there are.
_LOOK = (
    f"SELECT (SELECT MAX(last_update) FROM {PeriodicTasks._meta.db_table}), "  # noqa: S608  our own tables' names
    f"(SELECT MIN(next_run_at) FROM {Schedule._meta.db_table}), "
    f"EXISTS (SELECT 1 FROM {Schedule._meta.db_table} WHERE held IS NOT NULL)"
)


class Clock:
    """Takes turns with other schedulers; `tick` does what is due."""

    def __init__(self) -> None:
        self.leader = Leader("scheduler", LEASE)
        self._reckon_at = 0.0
        self._changed: Any = None
        self._begun = False

    def tick(self) -> float:
        """Start what is due; answers the seconds until there may be more. Raises DatabaseError."""
        if not self.leader.leads():
            return 1.0
        if not self._begun:
            take_in()
            look_again()
            self._begun = True
        changed, due, is_any_held = _look()
        if changed != self._changed or time.monotonic() >= self._reckon_at:
            self._changed = changed
            self._reckon()
            changed, due, is_any_held = _look()
        if is_any_held:
            release_held()  # before a later run of the same schedule
        now = timezone.now()
        if due is None or due > now:
            return LONGEST_SLEEP if due is None else min(LONGEST_SLEEP, (due - now).total_seconds())
        return 0.0 if fire_due(now) == BATCH else GATHER

    def _reckon(self) -> None:
        began = time.monotonic()
        reckon_all()
        ended = time.monotonic()
        self._reckon_at = ended + max(RECKON_EVERY, (ended - began) / RECKON_PART)


def _look() -> tuple[Any, datetime | None, bool]:
    with connection.cursor() as cursor:
        cursor.execute(_LOOK)
        changed, due, is_any_held = cursor.fetchone()
    if isinstance(due, str):  # SQLite's driver leaves it as text
        due = datetime.fromisoformat(due).replace(tzinfo=UTC)
    return changed, due, bool(is_any_held)


def run(stop: threading.Event) -> None:
    """Until `stop` is set; an outage of SQL is waited out."""
    clock = Clock()
    log.info("scheduler %s", clock.leader.holder)
    while not stop.is_set():
        try:
            stop.wait(clock.tick())
        except DatabaseError as error:
            log.warning("SQL is unreachable, trying again each second: %s", error)
            connection.close()
            stop.wait(1.0)
    clock.leader.resign()


class JobScheduler(DatabaseScheduler):
    """The same for `celery -A jobsite beat`: its service, its options, our clock."""

    def setup_schedule(self) -> None:
        """Nothing is loaded: the next run of each schedule is an indexed column."""
        self._clock = Clock()

    @property
    def schedule(self) -> dict[str, Any]:
        return {}

    def tick(self, *args: Any, **kwargs: Any) -> float:
        try:
            return self._clock.tick()
        except DatabaseError as error:
            log.warning("SQL is unreachable, trying again each second: %s", error)
            connection.close()
            return 1.0

    def sync(self) -> None:
        """Nothing waits to be written."""

    def close(self) -> None:
        self._clock.leader.resign()
