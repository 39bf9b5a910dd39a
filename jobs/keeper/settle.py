"""Ends that no worker tells of: Celery's result key and the live hash say so before SQL does."""

import json
from datetime import datetime
from typing import Any

from jobs.core.outcome import MOST_TEXT, cut, json_text
from jobs.core.states import State
from jobs.wire import celery_result, events, keys, scripts
from jobs.wire.connection import redis_client


def settle(
    job: str, attempt: int, user: str, state: State, error_type: str, error: str, *, lost: datetime | None = None
) -> None:
    """lost: when a worker vanished from which this is concluded, and whose own word replaces it (LINE 7)."""
    stored = celery_result.of_an_end(job, state, celery_result.error(error_type, error, "jobs"))
    more = {"assumed": True, "ended": lost.timestamp()} if lost else {}
    event = events.encode(state, job, attempt, user, error_type=error_type, error=error, **more)
    _tell(job, attempt, "keeper" if lost else "dispatch", state, event, stored)


def settle_as_stored(job: str, attempt: int, user: str, state: State, result: Any) -> None:
    """An end that the result key tells already, in Celery's words, and goes on to do so."""
    fields: dict[str, Any] = {}
    if state == State.SUCCESS:
        text = json_text(result)
        fields = {"result": text if len(text) <= MOST_TEXT else json.dumps(cut(text))}
    if state != State.SUCCESS and isinstance(result, dict):
        message = result.get("exc_message")
        text = " ".join(map(str, message)) if isinstance(message, list) else str(message or "")
        fields = {"error_type": str(result.get("exc_type") or "")[:200], "error": cut(text)}
    _tell(job, attempt, "dispatch", state, events.encode(state, job, attempt, user, **fields), "")


def _tell(job: str, attempt: int, owner: str, state: State, event: str, stored: str | bytes) -> None:
    scripts.call(
        redis_client(),
        "report",
        [keys.run(job), keys.EVENTS, keys.result(job), keys.CANCELS, keys.PAUSES],
        [attempt, owner, str(state), "final", event, stored, scripts.KEEP_FINAL, scripts.KEEP_FINAL, job],
    )
