"""What a worker tells: claim, progress, and each state change, every one a single script call."""

import json
import os
import time
import uuid
from typing import Any

from jobs.core.states import State
from jobs.wire import celery_result, events, keys, scripts
from jobs.wire.connection import redis_client
from jobs.worker.execution import INCARNATION, Execution, process
from jobs.worker.outbox import Report, outbox

#: [bytes] of a result's or traceback's text in an event; the whole stays in the result key (LINE 11).
MOST_TEXT = 64 * 1024
#: [s] between progress reports of one job.
PROGRESS_EVERY = 0.25


def claim(execution: Execution, *, foreign: bool, meta: dict[str, Any], token: str) -> str:
    """Ask for the attempt; the verdict of `claim.lua`. Raises where Redis is unreachable."""
    event = events.encode(
        State.STARTED, execution.job, execution.attempt, execution.user, worker=process.node, pid=os.getpid(), **meta
    )
    result = celery_result.encode(execution.job, State.STARTED, {"pid": os.getpid(), "hostname": process.node})
    return scripts.call(
        redis_client(),
        "claim",
        [keys.run(execution.job), keys.EVENTS, keys.result(execution.job)],
        [
            execution.attempt, INCARNATION, process.node, event, result, "1" if foreign else "0",
            scripts.KEEP_FINAL, token, execution.user, execution.task.removeprefix("jobs."),
        ],
    )  # fmt: skip


def new_token() -> str:
    return uuid.uuid4().hex


def state(
    job: str, attempt: int, user: str, name: State, *, phase: str, stored: str = "", expires: int = scripts.KEEP_FINAL,
    **fields: Any,
) -> Any:  # fmt: skip
    """Report a state change through the outbox. `stored`: JSON for Celery's result key, "" to leave it.

    Answers [event id, verdict], None while Redis is unreachable.
    """
    event = events.encode(name, job, attempt, user, worker=process.node, pid=os.getpid(), **fields)
    return outbox.send(
        Report(
            job,
            "report",
            [keys.run(job), keys.EVENTS, keys.result(job), keys.CANCELS, keys.PAUSES],
            [attempt, INCARNATION, str(name), phase, event, stored, expires, scripts.KEEP_FINAL, job],
        )
    )


def revoked(execution: Execution) -> None:
    """The worker's confirmation that a cancelled attempt has ended."""
    state(
        execution.job, execution.attempt, execution.user, State.REVOKED, phase="final",
        stored=celery_result.encode(execution.job, State.REVOKED, celery_result.revoked()),
        task=execution.task, **usage(execution),
    )  # fmt: skip


def ended_itself(execution: Execution, error: BaseException) -> None:
    """A task that raises Ignore or Reject wants nothing stored, and no more of it is to come."""
    if execution.ended:
        return
    name = type(error).__name__
    state(
        execution.job, execution.attempt, execution.user, State.REVOKED, phase="final", task=execution.task,
        error_type=name, error=f"The task ended itself without a result: it raised {name}.", **usage(execution),
    )  # fmt: skip


def tell(execution: Execution, event_type: str, **fields: Any) -> None:
    """An event that changes no state: a log line, an artifact."""
    outbox.send(Report(execution.job, "", [], [event_of(execution, event_type, **fields)]))


def event_of(execution: Execution, event_type: str, **fields: Any) -> str:
    return events.encode(event_type, execution.job, execution.attempt, execution.user, **fields)


def progress_command(execution: Execution, progress: dict[str, Any], result: str = "") -> tuple[list[str], list[Any]]:
    """Keys and arguments of `progress.lua`. `result`: what a foreign task stored; kinds stay STARTED."""
    stored = result or celery_result.encode(
        execution.job, State.STARTED, {"pid": os.getpid(), "hostname": process.node, "progress": progress}
    )
    return (
        [keys.run(execution.job), keys.EVENTS, keys.result(execution.job)],
        [
            execution.attempt, INCARNATION, json.dumps(progress), event_of(execution, events.PROGRESS, p=progress),
            stored, scripts.KEEP_FINAL,
        ],
    )  # fmt: skip


def send_progress(execution: Execution, command: tuple[list[str], list[Any]]) -> str:
    """Send, at most every PROGRESS_EVERY; the lease thread sends what is held back. Answers the script's verdict."""
    now = time.monotonic()
    if now - execution.sent_at < PROGRESS_EVERY:
        execution.unsent = command
        return "ok"
    execution.unsent, execution.sent_at = None, now
    return scripts.call(redis_client(), "progress", *command)


def usage(execution: Execution) -> dict[str, Any]:
    """Memory [bytes] and CPU time [s], where the process runs one attempt at a time and so can tell."""
    if process.pool != "prefork":
        return {}
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"memory": peak, "cpu": round(time.process_time() - execution.cpu_started, 3)}
