"""What can be asked of one running worker, and what it answers: Celery's own remote control."""

import time
from collections.abc import Callable
from typing import Any

from celery import current_app

from jobs.core.errors import Conflict
from jobs.fleet.workers import GROWS_BY, Worker
from jobs.models import AuditEntry

#: [s] that a worker has for its answer.
PATIENCE = 3.0


def ask(worker: Worker, action: str, user: Any = None, via: str = "form") -> str:
    """Carry out one of `worker.can`; the worker's own answer, as a sentence.

    Raises Conflict where its pool lacks the action, or where it refuses or does not answer; ConnectionError.
    """
    if action not in worker.can:
        raise Conflict(f"{worker.name} ({worker.pool}) cannot {action}; it can {', '.join(worker.can)}.")
    answer = _ACTIONS[action](worker)
    if action != "ping":
        AuditEntry.record(user, action, target=f"worker {worker.name}", via=via, answer=answer)
    return answer


def _ping(worker: Worker) -> str:
    began = time.monotonic()
    answer = _answer(worker, "ping")
    return f"{worker.name} answers {answer} after {1000 * (time.monotonic() - began):.0f} ms."


def _shutdown(worker: Worker) -> str:
    """It leaves without an answer to this, so it is asked first whether it listens."""
    _answer(worker, "ping")
    _carry(lambda: current_app.control.broadcast("shutdown", destination=[worker.name]))
    return f"{worker.name} has been told to finish what it has in hand and stop."


def _grow(worker: Worker) -> str:
    by = GROWS_BY[worker.pool]
    return f"{worker.name} answers: {_answer(worker, 'pool_grow', n=by)}, to {worker.concurrency + by} at a time."


def _shrink(worker: Worker) -> str:
    by = GROWS_BY[worker.pool]
    return f"{worker.name} answers: {_answer(worker, 'pool_shrink', n=by)}, to {worker.concurrency - by} at a time."


_ACTIONS: dict[str, Callable[[Worker], str]] = {
    "ping": _ping,
    "shutdown": _shutdown,
    "grow": _grow,
    "shrink": _shrink,
}


def _answer(worker: Worker, command: str, **arguments: Any) -> str:
    answers = _carry(
        lambda: current_app.control.broadcast(
            command, arguments=arguments, destination=[worker.name], reply=True, timeout=PATIENCE, limit=1
        )
    )
    if not answers:
        raise Conflict(f"{worker.name} did not answer within {PATIENCE:.0f} s.")
    answer = next(iter(answers[0].values()))
    if "error" in answer:
        raise Conflict(f"{worker.name} refuses: {answer['error']}")
    return str(answer.get("ok", answer))


def _carry(call: Callable[[], Any]) -> Any:
    from kombu.exceptions import OperationalError
    from redis import RedisError

    try:
        return call()
    except (OperationalError, RedisError, OSError) as error:
        raise ConnectionError(f"Redis does not answer: {error}") from error
