"""Pausing a queue: its messages stay where they are, and workers leave them there.

The wish is one field of a hash in Redis. Each worker follows it by itself, at its start before it asks for the first
message and then every second (worker/steering.py), and says in its own record which queues it leaves alone: nothing
is sent to it that it could miss. What is in hand already is finished.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from jobs.core.errors import Conflict
from jobs.models import AuditEntry
from jobs.wire import keys
from jobs.wire.connection import breaker, redis_client


@dataclass(frozen=True)
class Pause:
    since: datetime
    #: Name of the user.
    by: str


def paused_queues() -> dict[str, Pause]:
    """By queue. Raises ConnectionError."""
    found: dict[str, str] = breaker.call(redis_client().hgetall, keys.PAUSED)
    return {queue: _pause(text) for queue, text in found.items()}


def pause(queue: str, user: Any = None, via: str = "form") -> None:
    """Raises Conflict where it is paused already, ConnectionError."""
    wish = json.dumps({"at": timezone.now().timestamp(), "by": user.get_username() if user else ""})
    if not breaker.call(redis_client().hsetnx, keys.PAUSED, queue, wish):
        raise Conflict(f"The queue {queue} is paused already.")
    AuditEntry.record(user, "pause", target=f"queue {queue}", via=via)


def resume(queue: str, user: Any = None, via: str = "form") -> None:
    """Raises Conflict where it is not paused, ConnectionError."""
    if not breaker.call(redis_client().hdel, keys.PAUSED, queue):
        raise Conflict(f"The queue {queue} is not paused.")
    AuditEntry.record(user, "resume", target=f"queue {queue}", via=via)


def _pause(text: str) -> Pause:
    """A queue is paused whatever is written there; by whom and since when, where that can be read."""
    try:
        wish = json.loads(text)
        return Pause(datetime.fromtimestamp(wish["at"], UTC), str(wish.get("by", "")))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, OSError):
        return Pause(timezone.now(), "")
