"""Kinds that keep holding the event loop of io workers: moved to the cpu pool, where that harms nobody."""

import time
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from jobs.core.kind import Kind
from jobs.core.registry import task_name
from jobs.models import Incident

#: [s] for which a judgement stands.
GOOD_FOR = 30.0

_judged: dict[str, tuple[float, bool]] = {}


def pool_of(kind: type[Kind]) -> str:
    """The kind's own pool, or cpu after LOOP_BLOCK_MOVES incidents within 24 hours (0: never)."""
    if kind.pool != "io" or not settings.LOOP_BLOCK_MOVES:
        return kind.pool
    at, offends = _judged.get(kind.slug, (-GOOD_FOR, False))
    if time.monotonic() - at >= GOOD_FOR:
        since = timezone.now() - timedelta(hours=24)
        incidents = Incident.objects.filter(task=task_name(kind.slug), at__gte=since)
        offends = incidents[: settings.LOOP_BLOCK_MOVES].count() >= settings.LOOP_BLOCK_MOVES
        _judged[kind.slug] = (time.monotonic(), offends)
    return "cpu" if offends else kind.pool
