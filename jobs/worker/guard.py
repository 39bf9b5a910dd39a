"""Around every task's body: the claim before it, limits and cancellation while it runs."""

import functools
import json
import logging
import time
from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.exceptions import Ignore, Reject, TaskRevokedError
from kombu.utils import json as kombu_json

from jobs.core.errors import Cancelled
from jobs.core.redaction import masked
from jobs.core.retry import attempts_with
from jobs.core.states import State
from jobs.wire.connection import UNREACHABLE
from jobs.wire.publish import ATTEMPT_HEADER, RETRIES_HEADER
from jobs.worker import canvas, logs, report
from jobs.worker.execution import Execution, Reported, Superseded, attempt_of, current, enter, process
from jobs.worker.interrupt import out_of_reach, runner

log = logging.getLogger(__name__)

#: [s] that a claim waits for Redis to come back; the message is dropped then, and dispatch sends another.
WAIT_FOR_REDIS = 60.0
#: Retries that a task may have which puts itself back into its queue.
_WITHOUT_END = 2**31


def install(app: Celery) -> None:
    """Wrap the body of every registered task.

    Through `run`, not through hooks that a task may override; Reported is acknowledged and stores nothing.
    """
    for task in app.tasks.values():
        if not task.name.startswith("celery.") and not hasattr(task, "_jobsite_guarded"):
            task.run = _guarded(task, task.run)
            task.on_replace = _replacing(task.on_replace)
            # Else Celery tells nobody that such a task is to be retried, and it would be taken for lost meanwhile.
            task.store_errors_even_if_ignored = True
            task._jobsite_guarded = True


def _guarded(task: Any, run: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(run)
    def guard(*args: Any, **kwargs: Any) -> Any:
        request = task.request
        if request.called_directly or request.is_eager or not request.id:
            return run(*args, **kwargs)
        execution = _claim(task, request, args, kwargs)
        enter(execution)
        try:
            try:
                return _limited(task, request, lambda: run(*args, **kwargs))
            finally:
                out_of_reach(execution)
        except Cancelled:
            out_of_reach(execution)
            report.revoked(execution)
            if request.chord:  # its body is told, as where Celery itself revokes
                task.backend.on_chord_part_return(request, State.REVOKED, TaskRevokedError("cancelled"))
            raise Reported("cancelled") from None
        except Superseded:
            log.warning("%s, attempt %d, is another worker's: ended here", execution.job, execution.attempt)
            raise Reported("another worker has it") from None
        except Reported:
            raise
        except Reject as error:
            raise _after_reject(task, execution, error) from error
        except Ignore as error:
            report.ended_itself(execution, error)
            raise
        finally:
            logs.send(execution)
            request.jobsite_usage = report.usage(execution)

    return guard


def _after_reject(task: Any, execution: Execution, rejected: Reject) -> BaseException:
    """What is to be raised in its place."""
    if isinstance(rejected.reason, Exception) and not rejected.requeue:
        return rejected.reason  # Celery's own: it could not send the retry, and this is why
    if not rejected.requeue:
        report.ended_itself(execution, rejected)
        return Reported(str(rejected.reason))
    # The message itself would come back as an attempt that has run, and be refused.
    try:
        return task.retry(exc=rejected, countdown=0, max_retries=_WITHOUT_END, throw=False)
    except Reject as error:
        return error.reason if isinstance(error.reason, Exception) else error
    finally:
        # Left on the task by `retry`, whose other jobs have their own number.
        task.__dict__.pop("override_max_retries", None)


def _replacing(on_replace: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Task.replace: others do the work, the last of them under this job's id. That is its next attempt."""

    def replace(signature: Any) -> Any:
        execution = current()
        if execution is None:
            return on_replace(signature)
        tasks = list(canvas.tasks_of(signature))
        for each in tasks:
            if each["options"].get("task_id") == execution.job:
                headers = {ATTEMPT_HEADER: execution.attempt + 1, RETRIES_HEADER: 0}
                each["options"]["headers"] = {**(each["options"].get("headers") or {}), **headers}
        names = ", ".join(dict.fromkeys(each["task"] for each in tasks[:10]))
        # Before any of them is sent: the claim of the next attempt finds it.
        report.state(
            execution.job, execution.attempt, execution.user, State.RETRY, phase="retry", task=execution.task,
            error_type="Replaced", error=f"The task has put others in its place: {names}", celery_eta=True,
        )  # fmt: skip
        try:
            return on_replace(signature)
        except Ignore as error:
            raise Reported(*error.args) from error

    return replace


def _claim(task: Any, request: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Execution:
    foreign = getattr(request, "jobsite_attempt", None) is None
    policy = getattr(request, "jobsite_policy", None) or {}
    execution = Execution(
        job=request.id,
        attempt=attempt_of(request),
        task=task.name,
        user=str(getattr(request, "jobsite_user", "") or ""),
        owner_name=policy.get("owner", ""),
        max_attempts=policy.get("max", attempts_with(task.max_retries)),
        first_attempt=policy.get("first", 1),
        foreign=foreign,
        runner=runner(),
    )
    meta = _foreign_meta(task, request, args, kwargs) if foreign else {}
    # Task.retry of a job that was submitted here carries our headers on, and Task.replace is given them; these higher
    # attempts nobody announced.
    unannounced = foreign or bool(request.retries or request.replaced_task_nesting)
    verdict = _wait_for_claim(execution, unannounced, meta)
    if verdict != "ok":
        log.info("dropped a message of %s, attempt %d: %s", execution.job, execution.attempt, verdict)
        raise Reported(f"not claimed: {verdict}")
    return execution


def _wait_for_claim(execution: Execution, foreign: bool, meta: dict[str, Any]) -> str:
    token = report.new_token()
    until = time.monotonic() + WAIT_FOR_REDIS
    while True:
        try:
            return report.claim(execution, foreign=foreign, meta=meta, token=token)
        except UNREACHABLE as error:
            if time.monotonic() > until:
                return f"Redis is unreachable ({error})"
            time.sleep(0.5)


def _foreign_meta(task: Any, request: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """What the keeper needs for the row of a job that was not submitted here."""
    info = request.delivery_info or {}
    return {
        "foreign": True,
        "task": task.name,
        "args": masked(_as_json(list(args))),
        "kwargs": masked(_as_json(kwargs)),
        "queue": info.get("routing_key") or "",
        "priority": info.get("priority") or 0,
        "max_attempts": attempts_with(task.max_retries),
        "root": request.root_id,
        "parent": request.parent_id,
        **canvas.told(request, task.name),
    }


def _as_json(value: Any) -> Any:
    """As the message had it: dates and the like keep their type, so that a person's retry passes the same."""
    try:
        return json.loads(kombu_json.dumps(value))
    except TypeError:
        return value  # from another serializer than JSON; the event tells it as text


def _limited(task: Any, request: Any, body: Callable[[], Any]) -> Any:
    """The body under its time limits. Prefork has its own (billiard kills the child); green pools have none (Celery
    ignores them there), so they are kept here."""
    if process.pool not in ("eventlet", "gevent"):
        return body()
    hard, soft = _limits(task, request)
    if not hard and not soft:
        return body()
    from jobs.worker.greenlimits import limited

    return limited(body, hard, soft)


def _limits(task: Any, request: Any) -> tuple[float | None, float | None]:
    hard, soft = request.timelimit or (None, None)
    return hard or task.time_limit, soft or task.soft_time_limit
