"""The scheduler's life: one of several acts, under an SQL lease."""

import logging
import threading
import time
from typing import Any

from django.db import DatabaseError, connection
from django.utils import timezone
from django_celery_beat.models import PeriodicTasks
from django_celery_beat.schedulers import DatabaseScheduler

from jobs.models.lease import Leader
from jobs.schedules.fire import BATCH, fire_due, next_due
from jobs.schedules.reckon import reckon_all

log = logging.getLogger(__name__)

#: [s] between looks for changes made without a signal of Django's (QuerySet.update).
RECKON_EVERY = 60.0
#: [s] of the longest sleep: a schedule made meanwhile by another process starts at most so late.
LONGEST_SLEEP = 0.5


class Clock:
    """Takes turns with other schedulers; `tick` does what is due."""

    def __init__(self) -> None:
        self.leader = Leader("scheduler")
        self._reckoned = -RECKON_EVERY
        self._changed: Any = None

    def tick(self) -> float:
        """Start what is due; answers the seconds until there may be more. Raises DatabaseError."""
        if not self.leader.leads():
            return 1.0
        self._reckon()
        if fire_due() == BATCH:
            return 0.0
        due = next_due()
        if due is None:
            return LONGEST_SLEEP
        return min(LONGEST_SLEEP, max(0.0, (due - timezone.now()).total_seconds()))

    def _reckon(self) -> None:
        """At once where django-celery-beat says that something changed; now and then all the same."""
        changed = PeriodicTasks.last_change()
        if changed != self._changed or time.monotonic() - self._reckoned >= RECKON_EVERY:
            self._changed, self._reckoned = changed, time.monotonic()
            reckon_all()


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
