"""How long attempts waited and ran, from the histograms that the keeper counts (models/throughput.py)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from jobs.core.buckets import middle_of
from jobs.fleet.throughput import MINUTE
from jobs.models import Timing


@dataclass(frozen=True)
class Spread:
    """Half of the attempts took up to `half` [s], 95 of a hundred up to `most` [s]."""

    half: float
    most: float


@dataclass(frozen=True)
class Course:
    """A measure over the last minutes, and all of them together."""

    #: Oldest first, the running minute last; None where nothing was counted.
    minutes: list[Spread | None]
    overall: Spread


def course(measure: str, minutes: int, now: datetime | None = None) -> Course | None:
    """The last minutes of "wait" or "run"; None where nothing was counted in them."""
    last = (now or timezone.now()).replace(second=0, microsecond=0)
    first = last - (minutes - 1) * MINUTE
    found: dict[datetime, dict[int, int]] = {}
    overall: dict[int, int] = {}
    rows = Timing.objects.filter(measure=measure, minute__gte=first, minute__lte=last)
    for minute, bucket, number in rows.values_list("minute", "bucket", "number"):
        found.setdefault(minute, {})[bucket] = number
        overall[bucket] = overall.get(bucket, 0) + number
    if not found:
        return None
    starts = (first + number * MINUTE for number in range(minutes))
    each = [_spread(found[start]) if start in found else None for start in starts]
    return Course(each, _spread(overall))


def _spread(numbers: Mapping[int, int]) -> Spread:
    return Spread(_quantile(numbers, 0.5), _quantile(numbers, 0.95))


def _quantile(numbers: Mapping[int, int], share: float) -> float:
    """[s] What `share` of the attempts, counted by bucket, took at most."""
    wanted, seen = share * sum(numbers.values()), 0
    for bucket in sorted(numbers):
        seen += numbers[bucket]
        if seen >= wanted:
            break
    return middle_of(bucket)
