"""Schedules as rows of a list: next run, last run, and the last sixty as a strip."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import F, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from jobs.core.access import is_operator
from jobs.core.states import SHOWN
from jobs.models import Job, Schedule
from jobs.schedules.editor import is_skipping, pause_of
from jobs.schedules.outlook import Outlook, outlook
from jobs.schedules.plan import ON_TIME
from jobs.schedules.reckon import with_task
from jobs.schedules.rules import zone_of
from jobs.schedules.target import target_of
from jobs.web import words

#: Runs in a strip, and the sizes of its bars [px]; failures are taller, so that colour is not all that tells.
STRIP = 60
BAR, GAP, HEIGHT, LOW = 2, 1, 16, 10


@dataclass(frozen=True)
class Bar:
    x: int
    y: int
    height: int
    state: str


@dataclass
class Row:
    schedule: Schedule
    #: Newest first.
    runs: list[Job] = field(default_factory=list)

    @property
    def task(self) -> Any:
        return self.schedule.task

    @property
    def label(self) -> str:
        return target_of(self.schedule.task).label

    @property
    def outlook(self) -> Outlook:
        return outlook(self.schedule, count=1)

    @property
    def next_local(self) -> str:
        """The next run in the schedule's own time zone, which stands beside its rule."""
        return self._local(self.schedule.next_run_at)

    @property
    def paused_until(self) -> str:
        """The end of a pause that ends by itself, in the same zone."""
        return self._local(pause_of(self.schedule)) if self.task.enabled else ""

    @property
    def skipped(self) -> str:
        """The one run to come that is left out."""
        return self._local(self.schedule.skipped) if is_skipping(self.schedule) else ""

    @property
    def is_on(self) -> bool:
        """Neither switched off nor paused for a time."""
        return self.task.enabled and not self.paused_until

    @property
    def trouble(self) -> str:
        """Why it cannot start its jobs, though it is on."""
        return self.schedule.trouble if self.task.enabled else ""

    @property
    def zone(self) -> str:
        return zone_of(self.task).key

    @property
    def note(self) -> str:
        """What somebody or the running job keeps from starting: Skips 2026-11-22 02:30:00. Holds one run back."""
        held, left_out = self.schedule.held, self.schedule.left_out
        texts = [
            f"Skips the run of {self.skipped}." if self.skipped else "",
            f"Holds the run of {self._local(held)} back until the former one has ended." if held else "",
            f"Left out since the last start, which was still running: {left_out}." if left_out else "",
        ]
        return " ".join(text for text in texts if text)

    def _local(self, moment: datetime | None) -> str:
        return f"{words.local(moment, zone_of(self.task)):%Y-%m-%d %H:%M:%S}" if moment else ""

    @property
    def last(self) -> Job | None:
        return self.runs[0] if self.runs else None

    @property
    def overdue(self) -> str:
        """How late the next run is, once it is no longer on time: "12:00"."""
        late = late_by(self.schedule, timezone.now())
        return words.duration(late) if late else ""

    @property
    def bars(self) -> list[Bar]:
        """Oldest first, from the right edge."""
        bars = []
        for place, job in enumerate(self.runs):
            height = HEIGHT if job.shown in ("failed", "retrying") else LOW
            bars.append(Bar((STRIP - 1 - place) * (BAR + GAP), HEIGHT - height, height, job.shown))
        return bars[::-1]

    @property
    def strip_words(self) -> str:
        """57 succeeded, 3 failed."""
        counts: dict[str, int] = {}
        for job in self.runs:
            counts[job.shown] = counts.get(job.shown, 0) + 1
        return ", ".join(f"{counts[state]} {SHOWN[state].lower()}" for state in SHOWN if state in counts)


def late_by(schedule: Schedule, now: datetime) -> timedelta | None:
    """How late the next run is; None while it is on time."""
    if schedule.next_run_at is None or not schedule.task.enabled:
        return None
    late = now - schedule.next_run_at
    return late if late > timedelta(seconds=ON_TIME) else None


def visible_to(user: Any) -> QuerySet[Schedule]:
    """Operators see every schedule, others their own; what is due first stands first."""
    found = with_task(Schedule.objects.all())
    if not is_operator(user):
        found = found.filter(owner=user)
    return found.order_by(F("next_run_at").asc(nulls_last=True), "task__name", "pk")


def rows_of(schedules: Sequence[Schedule]) -> list[Row]:
    """The rows with their runs; two queries, however many there are."""
    rows = {schedule.pk: Row(schedule) for schedule in schedules}
    if not rows:
        return []
    oldest = Job.objects.filter(schedule=OuterRef("pk")).order_by("-seq").values("seq")[STRIP - 1 : STRIP]
    runs = Q(pk__in=[])
    for pk, seq in Schedule.objects.filter(pk__in=rows).annotate(oldest=Subquery(oldest)).values_list("pk", "oldest"):
        runs |= Q(schedule=pk, seq__gte=seq or 0)
    for job in Job.objects.filter(runs).order_by("-seq").defer("params", "search"):
        rows[job.schedule_id or 0].runs.append(job)
    return list(rows.values())
