"""Ends that no worker tells of: Celery's result key and the live hash say so before SQL does."""

from jobs.core.states import State
from jobs.wire import celery_result, events, keys, scripts
from jobs.wire.connection import redis_client


def settle(
    job: str, attempt: int, user: str, state: State, error_type: str, error: str, *, assumed: bool = False
) -> None:
    """assumed: concluded from a vanished worker, whose own word replaces it (LINE 7)."""
    stored = celery_result.of_an_end(job, state, celery_result.error(error_type, error, "jobs"))
    more = {"assumed": True} if assumed else {}
    event = events.encode(state, job, attempt, user, error_type=error_type, error=error, **more)
    scripts.call(
        redis_client(),
        "report",
        [keys.run(job), keys.EVENTS, keys.result(job), keys.CANCELS, keys.PAUSES],
        [
            attempt, "keeper" if assumed else "dispatch", str(state), "final", event, stored, scripts.KEEP_FINAL,
            scripts.KEEP_FINAL, job,
        ],
    )  # fmt: skip
