"""Jobs sent by name to workers of another code base: plain Celery, which tells Jobsite nothing of what it takes.

What has left the broker was taken by one of them, and may be running: it is not sent again, as it would be if a worker
of ours had lost it. Celery's result key, where that code base keeps its results in the same Redis, says what became of
it.
"""

import contextlib
import json
from datetime import datetime
from typing import Any

from jobs.core.ids import stored_id
from jobs.core.states import FINAL, State
from jobs.keeper.settle import settle, settle_as_stored
from jobs.models import Job
from jobs.submit.messages import is_known
from jobs.wire import keys
from jobs.wire.connection import redis_client

#: [s] for which a result is waited for, from when the message was first seen to have left the broker: it may have
#: waited there for days before.
_PATIENCE = 3600


def among(jobs: list[Job]) -> list[Job]:
    """Those that may be taken by a worker that does not say so."""
    unknown = {name for name in {job.kind for job in jobs if not job.is_kind} if not is_known(name)}
    return [job for job in jobs if not job.is_kind and job.kind in unknown]


def look_at(jobs: list[Job], gone: list[Job], now: datetime) -> None:
    """Tell the end of those of which one is known, or no longer to be expected. gone: those that are in no list."""
    held = _held() if gone else set()
    left = [job for job in gone if job.id not in held]
    if waiting := [keys.left_at(job.id) for job in jobs if job not in left]:
        redis_client().delete(*waiting)
    for job in left:
        user, stored = str(job.owner_id or ""), _stored(job)
        if stored is not None:
            settle_as_stored(job.id, job.attempt, user, State(stored["status"]), stored.get("result"))
        elif _left_for(job, now) > _PATIENCE:
            settle(
                job.id, job.attempt, user, State.FAILURE, "OutcomeUnknown",
                "A worker of another code base took it, which tells nothing here: what became of it is not known.",
                lost=now,
            )  # fmt: skip


def _held() -> set[str]:
    """Jobs whose message a worker has and has not acknowledged, however long: plain ones do not say that they live.

    Of one that has died Celery puts them back.
    """
    found = set()
    for text in redis_client().hvals(keys.UNACKED):
        with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError):
            found.add(stored_id(str(json.loads(text)[0]["headers"]["id"])))
    return found


def _left_for(job: Job, now: datetime) -> float:
    """Since when its message is seen to have left the broker [s]; a Redis that was emptied begins anew."""
    key = keys.left_at(job.id)
    redis_client().set(key, now.timestamp(), nx=True, ex=2 * _PATIENCE)
    return now.timestamp() - float(redis_client().get(key) or now.timestamp())


def _stored(job: Job) -> dict[str, Any] | None:
    """The result that Celery's own Redis backend keeps; None where there is none, or in another format than JSON."""
    try:
        found = json.loads(redis_client().get(keys.result(job.id)) or "null")
    except ValueError:
        return None
    return found if isinstance(found, dict) and found.get("status") in FINAL else None
