"""What a worker tells: claim, progress, and each state change, every one a single script call."""

import json
import os
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

from jobs.core.ids import stored_id
from jobs.core.states import State
from jobs.wire import celery_result, events, keys, scripts
from jobs.wire.connection import redis_client
from jobs.worker.execution import INCARNATION, Execution, process
from jobs.worker.outbox import Report, outbox

#: [s] between progress reports of one job.
PROGRESS_EVERY = 0.25


def new_tag() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True)
class Claim:
    """What a worker says when it asks for an attempt."""

    #: Nobody of ours marked the attempt as queued: Celery code sent it, or Task.retry.
    unannounced: bool
    #: What the keeper needs for the row of a job that was not submitted here, else {}.
    meta: dict[str, Any] = field(default_factory=dict)
    #: The tag of the message that was retried with this one (external.py).
    after: str = ""
    #: For Celery's result key; "" leaves it alone.
    result: Any = ""
    #: [s] after which that key is forgotten.
    expires: int = scripts.KEEP_FINAL
    #: Tells this claim from every other, should its answer get lost and the call be made again.
    token: str = field(default_factory=new_tag)


def claim(execution: Execution, claim: Claim) -> str:
    """Ask for the attempt; the verdict of `claim.lua`, which sets the attempt's number where Celery code sent it.

    Raises where Redis is unreachable.
    """
    event = events.encode(
        State.STARTED, execution.job, _number(execution), execution.user, worker=process.node, pid=os.getpid(),
        **_sent_as(execution.message), **claim.meta,
    )  # fmt: skip
    verdict, attempt = scripts.call(
        redis_client(),
        "claim",
        [keys.run(execution.job), keys.EVENTS, keys.result(execution.task_id)],
        [
            execution.attempt, INCARNATION, process.node, event, claim.result, "1" if claim.unannounced else "0",
            claim.expires, claim.token, execution.user, execution.task.removeprefix("jobs."), execution.message,
            claim.after,
        ],
    )  # fmt: skip
    execution.attempt = int(attempt)
    return verdict


def started_result(execution: Execution, **more: Any) -> Any:
    """What Celery's clients read of a running attempt."""
    return celery_result.encode(
        execution.task_id, State.STARTED, {"pid": os.getpid(), "hostname": process.node, **more}
    )


def _number(execution: Execution) -> int:
    """The attempt as an event names it: 0 where the script fills in which one the message is."""
    return 0 if execution.message else execution.attempt


def _sent_as(message: str) -> dict[str, str]:
    return {"m": message} if message else {}


def state(
    job: str, attempt: int, user: str, name: State, *, phase: str, stored: Any = "", expires: int = scripts.KEEP_FINAL,
    message: str = "", forgets: Any = "", **fields: Any,
) -> Any:  # fmt: skip
    """Report a state change through the outbox. `stored`: for Celery's result key, "" to leave it.

    message: of what Celery code sent, the tag of its message, by which the script knows the attempt. forgets: the
    result key is deleted where it still holds this. Answers [event id, verdict], None while Redis is unreachable.
    """
    number, known_as = 0 if message else attempt, stored_id(job)
    event = events.encode(
        name, known_as, number, user, worker=process.node, pid=os.getpid(), **_sent_as(message), **fields
    )
    return outbox.send(
        Report(
            known_as,
            "report",
            [keys.run(known_as), keys.EVENTS, keys.result(job), keys.CANCELS, keys.PAUSES],
            [
                attempt, INCARNATION, str(name), phase, event, stored, expires, scripts.KEEP_FINAL, known_as, message,
                forgets,
            ],
        )
    )  # fmt: skip


def revoked(execution: Execution) -> None:
    """The worker's confirmation that a cancelled attempt has ended."""
    told = celery_result.encode(execution.task_id, State.REVOKED, celery_result.revoked())
    state(
        execution.task_id, execution.attempt, execution.user, State.REVOKED, phase="final",
        stored=told if execution.keeps else "",
        message=execution.message, task=execution.task, **usage(execution),
    )  # fmt: skip


def ended_itself(execution: Execution, error: BaseException) -> None:
    """A task that raises Ignore wants nothing stored, and no more of it is to come."""
    if execution.ended:
        return
    name = type(error).__name__
    state(
        execution.task_id, execution.attempt, execution.user, State.REVOKED, phase="final", task=execution.task,
        message=execution.message, forgets=started_result(execution), error_type=name,
        error=f"The task ended itself without a result: it raised {name}.", **usage(execution),
    )  # fmt: skip


def tell(execution: Execution, event_type: str, **fields: Any) -> None:
    """An event that changes no state: a log line, an artifact."""
    outbox.send(Report(execution.job, "", [], [event_of(execution, event_type, **fields)]))


def event_of(execution: Execution, event_type: str, **fields: Any) -> str:
    return events.encode(
        event_type, execution.job, execution.attempt, execution.user, **_sent_as(execution.message), **fields
    )


def progress_command(execution: Execution, progress: dict[str, Any], stored: Any) -> tuple[list[str], list[Any]]:
    """Keys and arguments of `progress.lua`. `stored`: for Celery's result key, "" to leave it."""
    event = events.encode(
        events.PROGRESS, execution.job, _number(execution), execution.user, p=progress, **_sent_as(execution.message)
    )
    return (
        [keys.run(execution.job), keys.EVENTS, keys.result(execution.task_id)],
        [
            execution.attempt, INCARNATION, json.dumps(progress), event, stored, scripts.KEEP_FINAL,
            execution.message,
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
