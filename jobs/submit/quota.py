"""How many unfinished jobs one owner may have (refused beyond it, counted only near it), and how much without a job."""

import time
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db.models import Count, Sum

from jobs.core.errors import OverQuota
from jobs.core.fields import size_in_words
from jobs.core.states import UNFINISHED
from jobs.models import Artifact, Job

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


def check_uploads(user: Any, files: int, size: int) -> None:
    """Let files of a user in that no job has yet, `size` bytes together, or raise OverQuota. Sent with a job they are
    that job's; what none takes goes by itself after a day."""
    if user is None or not user.pk:
        return
    kept = Artifact.objects.filter(owner=user, job=None).aggregate(files=Count("id"), size=Sum("size"))
    most, room = settings.QUOTA_UPLOADS, settings.QUOTA_UPLOAD_BYTES
    if kept["files"] + files > most or (kept["size"] or 0) + size > room:
        had = f"{kept['files']:,} files ({size_in_words(kept['size'] or 0)})"
        raise OverQuota(
            f"You have {had} here that no job has; {most:,} files and {size_in_words(room)} are allowed. "
            "Submit what they are for; what stays without a job goes after a day."
        )
