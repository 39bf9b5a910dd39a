"""Around every task's body: the claim before it, limits and cancellation while it runs."""

import functools
import logging
import time
from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.contrib.abortable import AbortableTask
from celery.exceptions import Ignore, Reject, Retry, TaskRevokedError

from jobs.core.errors import Cancelled
from jobs.core.retry import attempts_of_task
from jobs.core.states import State
from jobs.wire.connection import UNREACHABLE
from jobs.wire.publish import AFTER_HEADER, ATTEMPT_HEADER, REDELIVERED_HEADER, RETRIES_HEADER
from jobs.worker import backend, canvas, external, logs, report, requests
from jobs.worker.execution import Execution, Reported, Superseded, attempt_of, current, enter, process
from jobs.worker.interrupt import out_of_reach, runner
from jobs.worker.revoked import heed_retries

log = logging.getLogger(__name__)

#: [s] that a claim waits for Redis to come back; the message is dropped then, and dispatch sends another.
WAIT_FOR_REDIS = 60.0


def install(app: Celery) -> None:
    """Wrap the body of every registered task.

    Through `run`, not through hooks that a task may override; Reported is acknowledged and stores nothing.
    """
    for task in app.tasks.values():
        if not _is_canvas(task) and not hasattr(task, "_jobsite_guarded"):
            task.run = _guarded(task, task.run)
            task.on_replace = _replacing(task.on_replace)
            heed_retries(task)
            requests.install(task)
            task._jobsite_guarded = True


def _is_canvas(task: Any) -> bool:
    """Celery's own chain, group, chord and their like, which are no work by themselves. By where they are written: a
    task of anybody's may be called "celery.report"."""
    return task.__module__ == "celery.app.builtins" and task.name != "celery.backend_cleanup"


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
            instead = _after_reject(task, execution, error)
            if instead is error:
                raise  # as it is: raised from itself, a child could not hand it to its parent
            raise instead from error
        except Ignore as error:
            report.ended_itself(execution, error)
            raise
        except Retry as retry:
            if external.ignores_result(task, request) and not task.store_errors_even_if_ignored:
                # Celery tells no backend of it, and the attempt would be taken for lost.
                _tell_of_the_retry(execution, retry)
            raise
        finally:
            logs.send(execution)
            request.jobsite_usage = report.usage(execution)

    return guard


def _tell_of_the_retry(execution: Execution, retry: Retry) -> None:
    cause = retry.exc if retry.exc is not None else retry
    report.state(
        execution.task_id, execution.attempt, execution.user, State.RETRY, phase="retry", task=execution.task,
        message=execution.message, error_type=type(cause).__name__, error=str(cause), celery_eta=True,
    )  # fmt: skip


def _after_reject(task: Any, execution: Execution, rejected: Reject) -> BaseException:
    """What is to be raised in its place."""
    if not rejected.requeue:
        # Celery's own says that it could not send a retry, and this is why. A task's own is a failure (Celery 5.7),
        # which the worker's request stores.
        return rejected.reason if isinstance(rejected.reason, Exception) else rejected
    # First the message, then the word of it, as Task.retry does: killed between the two, the job goes on.
    external.put_back(task, task.request, execution)
    report.state(
        execution.task_id, execution.attempt, execution.user, State.RETRY, phase="retry", task=execution.task,
        message=execution.message, error_type="Reject", error=f"The task put itself back into its queue: {rejected}",
        celery_eta=True,
    )  # fmt: skip
    return Reported("put back into its queue")


def _replacing(on_replace: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Task.replace: others do the work, the last of them under this job's id. That is its next attempt."""

    def replace(signature: Any) -> Any:
        execution = current()
        if execution is None:
            return on_replace(signature)
        tasks = list(canvas.tasks_of(signature))
        for each in tasks:
            if each["options"].get("task_id") == execution.task_id:
                headers = {ATTEMPT_HEADER: execution.attempt + 1, RETRIES_HEADER: 0}
                each["options"]["headers"] = {**(each["options"].get("headers") or {}), **headers}
        names = ", ".join(dict.fromkeys(each["task"] for each in tasks[:10]))
        # Before any of them is sent: the claim of the next attempt finds it.
        report.state(
            execution.task_id, execution.attempt, execution.user, State.RETRY, phase="retry", task=execution.task,
            message=execution.message, error_type="Replaced",
            error=f"The task has put others in its place: {names}", celery_eta=True,
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
        max_attempts=policy.get("max", attempts_of_task(task, request.retries)),
        first_attempt=policy.get("first", 1),
        foreign=foreign,
        message=external.tag_of(request),
        runner=runner(),
    )
    execution.keeps = backend.is_ours(task.backend) and not external.ignores_result(task, request)
    claim = report.Claim(
        after=str(external.get(request, AFTER_HEADER) or "") if foreign else "",
        # Task.retry of a job that was submitted here carries our headers on, and Task.replace is given them; these
        # higher attempts nobody announced, nor one that put itself back.
        unannounced=foreign
        or bool(request.retries or request.replaced_task_nesting or external.get(request, REDELIVERED_HEADER)),
        meta=external.described(task, request, args, kwargs) if foreign else {},
        # Somebody may have marked as aborted what had not begun: that word is read from the result.
        result=report.started_result(execution) if execution.keeps and not isinstance(task, AbortableTask) else "",
        expires=backend.expires_of(task.backend),
    )
    verdict = _wait_for_claim(execution, claim)
    if verdict == "ok":
        external.begin(request, execution)
        return execution
    if verdict == "busy":
        external.send_later(task, request, execution.message)
    elif verdict == "cancelled":
        _tell_of_the_cancel(task, request)
    log.info("did not run a message of %s, attempt %d: %s", execution.job, execution.attempt, verdict)
    raise Reported(f"not claimed: {verdict}")


def _tell_of_the_cancel(task: Any, request: Any) -> None:
    """It was cancelled before its message had come: now those hear of it who wait for it by Celery's own ways."""
    if not backend.is_ours(task.backend) and not external.ignores_result(task, request):
        task.backend.mark_as_revoked(request.id, "cancelled", request=request)
    elif request.chord:
        task.backend.on_chord_part_return(request, State.REVOKED, TaskRevokedError("cancelled"))


def _wait_for_claim(execution: Execution, claim: report.Claim) -> str:
    until = time.monotonic() + WAIT_FOR_REDIS
    while True:
        try:
            return report.claim(execution, claim)
        except UNREACHABLE as error:
            if time.monotonic() > until:
                return f"Redis is unreachable ({error})"
            time.sleep(0.5)


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
