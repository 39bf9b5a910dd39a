"""Jobs sent by name to workers of another code base: plain Celery, which tells Jobsite nothing of what it takes.

What has left the broker was taken by one of them, and may be running: it is not sent again, as it would be if a worker
of ours had lost it. Celery's result key, where that code base keeps its results in the same Redis, says what became of
it.
"""

import json
from datetime import datetime
from typing import Any

from jobs.core.states import FINAL, State
from jobs.keeper.settle import settle, settle_as_stored
from jobs.models import Job
from jobs.submit.messages import is_known
from jobs.wire import keys
from jobs.wire.connection import redis_client

#: [s] for which a result is waited for.
_PATIENCE = 3600.0


def is_unheard(job: Job) -> bool:
    """Whether it may be taken by a worker that does not say so."""
    return not job.is_kind and not is_known(job.kind)


def conclude(jobs: list[Job], now: datetime) -> None:
    """Tell the end of those of which one is known, or no longer to be expected. None of them lies in the broker."""
    for job in jobs:
        user, stored = str(job.owner_id or ""), _stored(job)
        if stored is not None:
            settle_as_stored(job.id, job.attempt, user, State(stored["status"]), stored.get("result"))
        elif job.published_at and (now - job.published_at).total_seconds() > _PATIENCE:
            settle(
                job.id, job.attempt, user, State.FAILURE, "OutcomeUnknown",
                "A worker of another code base took it, which tells nothing here: what became of it is not known.",
                lost=now,
            )  # fmt: skip


def _stored(job: Job) -> dict[str, Any] | None:
    """The result that Celery's own Redis backend keeps; None where there is none, or in another format than JSON."""
    try:
        found = json.loads(redis_client().get(keys.result(job.id)) or "null")
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("status") in FINAL else None
