"""From Celery's calls of a results backend to the line's reports, whatever the backend keeps of them."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

from celery import current_app
from celery.exceptions import Retry, TaskRevokedError

from jobs.core.ids import stored_id
from jobs.core.outcome import MOST_TEXT, cut, json_safe
from jobs.core.states import FINAL, State
from jobs.wire import scripts
from jobs.wire.connection import UNREACHABLE
from jobs.worker import canvas, external, report
from jobs.worker.execution import Execution, attempt_of, running

#: States that end an attempt, each of which is reported whoever tells it.
STATES = frozenset({*FINAL, State.RETRY})
_LOST = "WorkerLostError"
#: Celery's reasons to revoke what it has not begun.
_NEVER_BEGAN = {
    "expired": "It never ran: it had expired before a worker came to it.",
    "revoked": "It never ran: Celery was told to revoke it.",
}
#: Signatures, by their ids, of what is being marked as failed because what comes before it has failed.
_never: ContextVar[dict[str, Any] | None] = ContextVar("jobsite_never_to_run", default=None)


def tell(
    backend: Any, task_id: str, result: Any, state: str, traceback: Any, request: Any, *, stored: Any = "",
    expires: int = scripts.KEEP_FINAL,
) -> None:  # fmt: skip
    """Report what a backend was told. `stored`: for the result key of ours, "" where another backend keeps it."""
    execution = running.get(stored_id(task_id))
    if (external.get(request, "id") or task_id) != task_id:
        request = None  # a task's word about another one, which Celery hands on with the request of the first
    if state not in STATES:
        return _progress(execution, backend, result, stored) if execution else None
    signature = None if execution else _signature_of(task_id, request)
    if execution and state in FINAL:
        execution.ended = True
    name = State(state)
    sent = execution or _execution_of(task_id, request)
    if name == State.FAILURE and type(result).__name__ == _LOST and not sent.message:
        # The kind's policy decides what becomes of it (LINE 2). What Celery code sent has failed, as its clients and
        # callbacks are told.
        name, stored = State.LOST, ""
    if signature is not None and name == State.FAILURE:
        fields = _never_ran(signature, result)
        name, message = State.REVOKED, f"never-{report.new_tag()}"
    else:
        fields, message = _fields(backend, name, result, traceback, request, execution), sent.message
    if _keeps_in_sql(backend):
        fields["kept_in_sql"] = True
    report.state(
        task_id, sent.attempt, sent.user, name, phase={State.RETRY: "retry", State.LOST: "lost"}.get(name, "final"),
        stored=stored, expires=expires, message=message, **fields,
    )  # fmt: skip
    return None


@contextmanager
def never_to_run(callback: Any) -> Iterator[None]:
    """While Celery marks a chord's body as failed: the tasks in it have never had a message."""
    signatures = {str(one["options"].get("task_id")): one for one in canvas.tasks_of(callback)}
    token = _never.set({**(_never.get() or {}), **signatures})
    try:
        yield
    finally:
        _never.reset(token)


def revoked(reason: str) -> TaskRevokedError:
    return TaskRevokedError(reason)


def _signature_of(task_id: str, request: Any) -> Any:
    """Of a task that never had a message: its signature. None for one that had."""
    if (known := _never.get()) and task_id in known:
        return known[task_id]
    # Celery hands the later steps of a chain that broke on as requests that no broker delivered.
    options = getattr(request, "options", None)
    if isinstance(options, Mapping) and not getattr(request, "delivery_info", None):
        return vars(request)
    return None


def _execution_of(task_id: str, request: Any) -> Execution:
    """What is known of an attempt that this process does not run."""
    if request is None:
        return Execution(task_id, 1, "")
    return Execution(
        task_id, attempt_of(request), "", str(getattr(request, "jobsite_user", None) or ""),
        message=external.tag_of(request),
    )  # fmt: skip


def _never_ran(signature: Any, cause: Any) -> dict[str, Any]:
    text = f"It never ran: what comes before it failed ({type(cause).__name__}: {cause})"
    return {**external.described_signature(signature), "error_type": "Skipped", "error": cut(text)}


def _fields(
    backend: Any, name: State, result: Any, traceback: Any, request: Any, execution: Execution | None
) -> dict[str, Any]:
    get = (lambda key: getattr(request, key, None)) if request is not None else (lambda key: None)
    task = get("task") or get("name")
    fields: dict[str, Any] = {"task": task, **(get("jobsite_usage") or {})}
    if request is not None and get("jobsite_attempt") is None:
        fields["foreign"] = True
        if execution is None and get("delivery_info"):  # perhaps before any worker claimed it
            fields |= external.described(current_app.tasks.get(task), request, get("args"), get("kwargs"))
    if name == State.SUCCESS:
        fields["result"] = result_text(backend, result, name)
        fields["children"] = _children(backend, request)
        return fields
    cause = result.exc if isinstance(result, Retry) else result
    if isinstance(cause, Mapping) and "exc_type" in cause:
        # `update_state("FAILURE", meta={"exc_type": …})`, which Celery's guide has for a task's own word.
        message = cause.get("exc_message")
        words = message if isinstance(message, list | tuple) else [message or ""]
        fields["error_type"], text = str(cause["exc_type"]), " ".join(map(str, words))
    else:
        fields["error_type"] = type(cause).__name__ if isinstance(cause, BaseException) else str(name)
        text = str(cause) if cause is not None else ""
    if name == State.REVOKED and text in _NEVER_BEGAN:
        text = _NEVER_BEGAN[text]
    fields["error"] = cut(text)
    fields["traceback"] = cut(str(traceback or ""))
    if name == State.RETRY:
        fields["celery_eta"] = True  # Task.retry has published the next attempt itself (LINE 6)
    return fields


def result_text(backend: Any, result: Any, state: str) -> str:
    """A result as JSON for SQL: whole, or of one that is long, or no JSON, a text that says so."""
    try:
        text = backend.encode(backend.encode_result(result, state))
    except Exception:  # whatever a project's own serializer raises: the task has succeeded all the same
        return json.dumps(cut(str(result)))
    if isinstance(text, bytes):
        if backend.serializer != "json":
            return json.dumps(f"{len(text):,} bytes of {backend.serializer}, which only Celery's own clients read")
        text = text.decode()
    elif backend.serializer != "json":
        text = json.dumps(text)
    if len(text) > MOST_TEXT:
        return json.dumps(cut(text), ensure_ascii=False)
    return json_safe(text)


def _children(backend: Any, request: Any) -> list[Any]:
    """What the task has started, as django-celery-results keeps it; nothing where that is too much to keep."""
    if request is None or not hasattr(backend, "current_task_children"):
        return []
    children = backend.current_task_children(request) or []
    return children if len(json.dumps(children, default=str)) <= MOST_TEXT else []


def _progress(execution: Execution, backend: Any, result: Any, stored: Any) -> None:
    """`update_state("PROGRESS", meta={"current", "total"})`, or any state of the task's own making."""
    meta = result if isinstance(result, dict) else {}
    progress = {
        "current": meta.get("current", meta.get("done")),
        "total": meta.get("total"),
        "step": str(meta.get("step") or meta.get("status") or meta.get("description") or "")[:200],
        "started": execution.started,
    }
    with suppress(*UNREACHABLE):  # the next report tells more; the task has nothing to do with it
        report.send_progress(execution, report.progress_command(execution, progress, stored))


def _keeps_in_sql(backend: Any) -> bool:
    from jobs.worker.backend import keeps_in_sql

    return keeps_in_sql(backend)
