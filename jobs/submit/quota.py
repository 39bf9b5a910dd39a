"""How many unfinished jobs one owner may have: refused beyond it, counted only near it."""

import time
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from jobs.core.errors import OverQuota
from jobs.core.states import UNFINISHED
from jobs.models import Job

#: [s] for which a count is good enough below this part of the limit; what is submitted meanwhile is added to it.
GOOD_FOR, NEAR = 10.0, 0.9


@dataclass
class _Count:
    jobs: int
    at: float = field(default_factory=time.monotonic)


#: (owner, limit) -> what this process last counted, and has let in since.
_counts: dict[tuple[Any, int], _Count] = {}


def check(user: Any, more: int) -> None:
    """Let `more` jobs of a user in, or raise OverQuota. Counting costs a walk over all that are unfinished."""
    if user is None or not user.pk:
        return
    limit: int = settings.QUOTA_UNFINISHED
    known = _counts.get((user.pk, limit))
    if known and time.monotonic() - known.at < GOOD_FOR and known.jobs + more <= limit * NEAR:
        known.jobs += more
        return
    unfinished = Job.objects.filter(owner=user, state__in=UNFINISHED)[: limit + 1].count()
    if unfinished + more > limit:
        raise OverQuota(f"You have {unfinished:,} unfinished jobs; {limit:,} are allowed at a time.")
    if len(_counts) > 10_000:
        _counts.clear()
    _counts[user.pk, limit] = _Count(unfinished + more)
