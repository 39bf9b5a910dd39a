"""How many jobs come and go, from the minutes that the keeper counts (models/throughput.py)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Sum
from django.utils import timezone

from jobs.models import Throughput

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Bar:
    """One minute of all queues."""

    start: datetime
    finished: int = 0
    failed: int = 0
    #: The minute is not over.
    is_open: bool = False


def rates(now: datetime | None = None) -> dict[str, tuple[float, float]]:
    """By queue: jobs that came and that ended in the last 60 s.

    The part of the 60 s that lies in the minute before counts in proportion.
    """
    now = now or timezone.now()
    start = now.replace(second=0, microsecond=0)
    before = 1 - (now - start) / MINUTE
    found: dict[str, tuple[float, float]] = {}
    for row in Throughput.objects.filter(minute__gte=start - MINUTE):
        share = 1.0 if row.minute >= start else before
        entered, left = found.get(row.queue, (0.0, 0.0))
        found[row.queue] = (entered + share * row.entered, left + share * (row.finished + row.failed))
    return found


def bars(minutes: int, now: datetime | None = None) -> list[Bar]:
    """The last minutes, oldest first, the running one last."""
    now = now or timezone.now()
    last = now.replace(second=0, microsecond=0)
    first = last - (minutes - 1) * MINUTE
    rows = (
        Throughput.objects.filter(minute__gte=first).order_by().values_list("minute")
        .annotate(finished=Sum("finished"), failed=Sum("failed"))
    )  # fmt: skip
    counted = {minute: (finished, failed) for minute, finished, failed in rows}
    starts = (first + number * MINUTE for number in range(minutes))
    return [Bar(start, *counted.get(start, (0, 0)), is_open=start == last) for start in starts]
