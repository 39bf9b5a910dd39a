"""Messages that Celery code sent: what tells one from another, what the keeper has to know of it, sending it on."""

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from celery import current_app
from celery.app.task import get_actual_ignore_result
from kombu.utils import json as kombu_json

from jobs.core.ids import stored_id
from jobs.core.redaction import masked, masked_args
from jobs.core.retry import attempts_of_task
from jobs.wire import events, keys
from jobs.wire.connection import UNREACHABLE, breaker, redis_client
from jobs.wire.publish import (
    AFTER_HEADER,
    ATTEMPT_HEADER,
    MESSAGE_HEADER,
    REDELIVERED_HEADER,
    RETRIES_HEADER,
    TURNS_HEADER,
    USER_HEADER,
)  # fmt: skip
from jobs.worker import canvas
from jobs.worker.execution import Execution

#: Headers of messages that continue what a worker of ours, or a publisher, has told of.
_OURS = frozenset({ATTEMPT_HEADER, MESSAGE_HEADER, AFTER_HEADER, REDELIVERED_HEADER})
#: [s] until an id that was sent again while its job is unfinished is looked at again: the first time, and at the most.
_FIRST_WAIT, _LONGEST_WAIT = 0.25, 5.0
#: Times that a task may put itself back into its queue before it is slowed down, and [s] between the times then.
_AT_ONCE, _LONGEST_PACE = 10, 30.0


def tag_of(request: Any) -> str:
    """What a message keeps when the broker delivers it again, and another message of the same id does not have.

    "" of a message that a publisher of ours has marked: the number of its attempt says it all. kombu gives every
    message of its virtual transports (Redis among them) a tag that no other has.
    """
    if get(request, ATTEMPT_HEADER) is not None:
        return ""
    tag = get(request, MESSAGE_HEADER) or (get(request, "properties") or {}).get("delivery_tag") or ""
    return str(tag) if re.fullmatch(r"[\w-]{8,64}", str(tag)) else _digest(tag)


def _digest(tag: Any) -> str:
    """AMQP counts the deliveries of a channel, which tells no two messages apart: then only numbers are compared."""
    return hashlib.sha256(tag.encode()).hexdigest()[:32] if isinstance(tag, str) and tag else ""


def get(request: Any, name: str, default: Any = None) -> Any:
    """A header of a request, which Celery hands on as an object or as a dict."""
    return request.get(name, default) if hasattr(request, "get") else getattr(request, name, default)


def described(task: Any, request: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    """What the keeper needs for the row of a job that was not submitted here."""
    info = request.delivery_info or {}
    name = task.name if task is not None else str(get(request, "task") or get(request, "name") or "unknown")
    return {
        "foreign": True,
        "task": name,
        "args": masked_args(task and task.run, _as_json(list(args or []))),
        "kwargs": masked(_as_json(kwargs or {})),
        "queue": info.get("routing_key") or "",
        "priority": info.get("priority") or 0,
        "max_attempts": attempts_of_task(task, request.retries or 0),
        "root": request.root_id,
        "parent": request.parent_id,
        "periodic": get(request, "periodic_task_name"),
        **canvas.told(request, name),
    }


def described_signature(signature: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a step that never had a message: what its signature says, and whether a result was to come first."""
    options, name = signature.get("options") or {}, str(signature.get("task") or "unknown")
    route = current_app.amqp.router.route(
        {key: options[key] for key in ("queue", "exchange", "routing_key") if options.get(key)}, name
    )
    queue = route.get("queue") or route.get("routing_key")
    priority = options.get("priority")
    return {
        "foreign": True,
        "task": name,
        "args": masked_args(_function(name), _as_json(list(signature.get("args") or []))),
        "kwargs": masked(_as_json(dict(signature.get("kwargs") or {}))),
        "queue": str(getattr(queue, "name", queue) or current_app.conf.task_default_queue),
        "priority": current_app.conf.task_default_priority or 0 if priority is None else priority,
        "max_attempts": attempts_of_task(current_app.tasks.get(name), 0),
        # Whatever it is called by, something comes before it: the keeper ties them together.
        "parent": options.get("parent_id") or options.get("root_id") or "before",
        "wants_result": not signature.get("immutable"),
    }


def tell_sent(sender: str, headers: Any, body: Any, routing_key: str, **_: Any) -> None:
    """Receiver of after_task_publish: with `task_send_sent_event` on, a task is told as waiting from its sending on."""
    if not current_app.conf.task_send_sent_event or not isinstance(headers, dict) or "id" not in headers:
        return
    if _OURS & headers.keys() or headers.get("retries"):
        return  # it is an attempt more of what is known
    args, kwargs = body[:2] if isinstance(body, tuple | list) else ((), {})
    told = {
        "foreign": True, "task": sender, "args": masked_args(_function(sender), _as_json(list(args))),
        "kwargs": masked(_as_json(kwargs)),
        "queue": routing_key or "", "root": headers.get("root_id"), "parent": headers.get("parent_id"),
        "eta": headers.get("eta"),
    }  # fmt: skip
    event = events.encode(events.QUEUED, stored_id(headers["id"]), 1, str(headers.get(USER_HEADER) or ""), **told)
    with suppress(ConnectionError, *UNREACHABLE):  # the task is sent; the worker tells of it as it starts
        breaker.call(lambda: redis_client().xadd(keys.EVENTS, {"e": event}))


def _function(name: str) -> Any:
    task = current_app.tasks.get(name)
    return task and task.run


def _as_json(value: Any) -> Any:
    """As the message had it: dates and the like keep their type, so that a person's retry passes the same."""
    try:
        return json.loads(kombu_json.dumps(value))
    except TypeError:
        return value  # from another serializer than JSON; the event tells it as text


def ignores_result(task: Any, request: Any) -> bool:
    """Whether nothing of the task's end is to be stored, as its declaration or its sender wishes."""
    return bool(get_actual_ignore_result(task, request))


def begin(request: Any, execution: Execution) -> None:
    """Let the request know its message: what Task.retry sends carries it on. One that was put back says so."""
    if get(request, REDELIVERED_HEADER):
        request.delivery_info = {**(request.delivery_info or {}), "redelivered": True}
    if not execution.message:
        return
    dropped = {MESSAGE_HEADER, TURNS_HEADER, REDELIVERED_HEADER}
    kept = {name: value for name, value in (request.headers or {}).items() if name not in dropped}
    request.headers = {**kept, AFTER_HEADER: execution.message}


def send_later(task: Any, request: Any, message: str) -> None:
    """Put a message off whose id belongs to a job that is unfinished. It stays the same message: delivered twice, the
    claim lets one of the two in."""
    turns = int(get(request, TURNS_HEADER, 0) or 0)
    wait = min(_LONGEST_WAIT, _FIRST_WAIT * 1.5 ** min(turns, 20))
    headers = {**(request.headers or {}), MESSAGE_HEADER: message, TURNS_HEADER: turns + 1}
    _send(task, request, headers, wait)


def put_back(task: Any, request: Any, execution: Execution) -> None:
    """What Reject(requeue=True) asks for, as a further attempt that says it is redelivered.

    The broker's own way would bring the message of an attempt that has run, which the claim refuses.
    """
    times = int(get(request, REDELIVERED_HEADER, 0) or 0) + 1
    pace = 0.0 if times <= _AT_ONCE else min(_LONGEST_PACE, 0.5 * 2.0 ** (times - _AT_ONCE))
    headers = {**(request.headers or {}), REDELIVERED_HEADER: times}
    if not execution.message:
        headers |= {ATTEMPT_HEADER: execution.attempt + 1, RETRIES_HEADER: request.retries}
    _send(task, request, headers, pace)


def _send(task: Any, request: Any, headers: dict[str, Any], wait: float) -> None:
    options = {"countdown": wait} if wait else {}
    task.signature_from_request(request, headers=headers, retries=request.retries, **options).apply_async()
