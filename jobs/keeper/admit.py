"""Letting jobs of limited kinds into free places: at most so many at a time, at most so many starts a second (LINE 15).

Such jobs are not published when they are accepted; they wait in SQL, and here is the only place that releases them.
Workers never send one back to its queue.
"""

import time
from collections import deque
from datetime import datetime, timedelta

from django.db.models import Q

from jobs.core.kind import Kind
from jobs.core.limits import Rate
from jobs.core.registry import all_kinds
from jobs.core.states import State
from jobs.models import Job

#: Jobs of one kind that one turn releases.
BATCH = 200


class Admission:
    """One leader's memory of when jobs of rated kinds were released."""

    def __init__(self) -> None:
        self._starts: dict[str, deque[float]] = {}

    def admitted(self, now: datetime) -> list[Job]:
        """The jobs that may be published now, marked so in SQL: a crash before the push leaves a job that counts as
        published and lies nowhere, which dispatch finds like any other that the broker lost."""
        released: list[Job] = []
        for kind in all_kinds().values():
            if kind.is_limited():
                released += self._of_kind(kind, now)
        return released

    def _of_kind(self, kind: type[Kind], now: datetime) -> list[Job]:
        waiting = Job.objects.filter(WAITING, kind=kind.slug, is_kind=True).order_by("priority", "seq")
        if not waiting.exists():
            return []
        free = min(BATCH, self._free_places(kind), self._free_starts(kind, now))
        released = []
        for job in waiting.select_related("owner")[: max(0, free)]:
            # Conditional: a cancel in between wins.
            if Job.objects.filter(WAITING, pk=job.pk).update(
                published_at=now, next_check_at=now + timedelta(seconds=15)
            ):
                job.published_at = now
                released.append(job)
        if kind.rate:
            self._starts.setdefault(kind.slug, deque()).extend([time.monotonic()] * len(released))
        return released

    @staticmethod
    def _free_places(kind: type[Kind]) -> int:
        if kind.max_running is None:
            return BATCH
        at_work = Q(state=State.STARTED) | Q(state=State.PENDING, published_at__isnull=False)
        return kind.max_running - Job.objects.filter(at_work, kind=kind.slug, is_kind=True).count()

    def _free_starts(self, kind: type[Kind], now: datetime) -> int:
        if kind.rate is None:
            return BATCH
        starts = self._starts.get(kind.slug)
        if starts is None:
            starts = self._starts[kind.slug] = _starts_before(kind, kind.rate, now)
        while starts and starts[0] <= time.monotonic() - kind.rate.per:
            starts.popleft()
        return kind.rate.count - len(starts)


#: Accepted, due, and not yet let in.
WAITING = Q(state=State.PENDING, published_at=None, next_check_at=None, cancel_requested_at=None, blocked=False)


def anybody_waits() -> bool:
    """Whether a limited kind has jobs to let in; free of charge where no kind is limited."""
    limited = _limited()
    return bool(limited) and Job.objects.filter(WAITING, kind__in=limited, is_kind=True).exists()


def _limited() -> list[str]:
    return [slug for slug, kind in all_kinds().items() if kind.is_limited()]


def hold(jobs: list[Job]) -> list[Job]:
    """Of unpublished jobs that are due, those of limited kinds are set to wait; answers the others."""
    limited = _limited()
    held = [job for job in jobs if job.is_kind and job.kind in limited]
    if held:
        Job.objects.filter(
            pk__in=[job.pk for job in held], state=State.PENDING, published_at=None, cancel_requested_at=None
        ).update(next_check_at=None)
    return [job for job in jobs if job not in held]


def _starts_before(kind: type[Kind], rate: Rate, now: datetime) -> deque[float]:
    """What an earlier leader released, on this process' clock."""
    since = now - timedelta(seconds=rate.per)
    newest = Job.objects.filter(kind=kind.slug, is_kind=True).order_by("-created")[: 10 * rate.count]
    published = sorted(at for at in newest.values_list("published_at", flat=True) if at and at > since)
    return deque(time.monotonic() - (now - at).total_seconds() for at in published)
