"""Where Celery would send a task, and what its message would say: decided as Celery's own `apply_async` decides it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from celery import current_app
from celery.app.task import extract_exec_options
from celery.exceptions import QueueNotFound
from kombu.transport.virtual.exchange import STANDARD_EXCHANGE_TYPES

from jobs.core.errors import Refused

#: What separates the parts of a binding that kombu's Redis transport keeps: routing key, pattern, queue.
_SEPARATOR = "\x06\x16"
#: Priorities beyond it are one list.
_LAST_LIST = 9
#: A row holds no longer name of a queue.
_LONGEST_NAME = 100


@dataclass(frozen=True)
class Route:
    """queue: the list of Redis, priority: from 0 to 9; options: what the message says beside that, as
    `Job.send_options` keeps it."""

    queue: str
    priority: int
    options: dict[str, Any] = field(default_factory=dict)


def route_of(
    name: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, *, now: datetime,
    bindings: Any = lambda exchange: (), **given: Any,
) -> Route:  # fmt: skip
    """given: queue, exchange, routing_key, priority, expires ([s] or a time) and headers; None is not given.

    What is not given is the task's own, where this code base has it, and then the settings'.
    bindings: answers the bindings of an exchange that Redis keeps, since another code base may have made them.
    Raises Refused where Celery would raise, or send nothing, or to more than one queue.
    """
    task = current_app.tasks.get(name)
    own = {key: value for key, value in extract_exec_options(task).items() if value is not None} if task else {}
    asked = {**own, **{key: value for key, value in given.items() if value is not None}}
    if task is not None:
        _check_call(task, args, kwargs or {})
    routing = {key: asked[key] for key in ("queue", "exchange", "routing_key") if key in asked}
    try:
        routed = current_app.amqp.router.route(routing, name, args, kwargs, task)
    except QueueNotFound as error:
        raise Refused({"queue": [f"{error.args[0]}, and task_create_missing_queues is off."]}) from error
    exchange, key = _address(routed)
    queue = _list_behind(exchange, key, routed.get("queue"), bindings) if exchange else key
    if len(queue) > _LONGEST_NAME:
        raise Refused({"queue": [f"At most {_LONGEST_NAME} characters; {len(queue)} were given."]})
    priority = asked.get("priority", routed.get("priority"))
    if priority is None:
        # Celery's `send_task` forgets this setting for tasks of another code base.
        priority = current_app.conf.task_default_priority or 0
    options: dict[str, Any] = {"exchange": exchange, "routing_key": key} if exchange else {}
    if priority > _LAST_LIST:
        options["priority"] = priority
    if (expires := asked.get("expires")) is not None:
        options["expires"] = (
            expires if isinstance(expires, datetime) else now + timedelta(seconds=expires)
        ).isoformat()
    if headers := asked.get("headers"):
        options["headers"] = dict(headers)
    return Route(queue, min(max(priority, 0), _LAST_LIST), options)


def expiry(expires: float | datetime, now: datetime) -> str:
    """When a message sent `now` is no longer to be run, as it says it; expires: that time, or [s] until it."""
    return (expires if isinstance(expires, datetime) else now + timedelta(seconds=expires)).isoformat()


def _check_call(task: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """What `apply_async` checks of a task that it knows: that the signature takes the call, whatever the types."""
    if not task.typing or (header := getattr(task, "__header__", None)) is None:
        return
    try:
        header(*args, **kwargs)
    except TypeError as error:
        raise Refused({"args": [f"The task does not take these arguments: {error}."]}) from error


def _address(routed: Mapping[str, Any]) -> tuple[str, str]:
    """(exchange, routing key), as celery/app/amqp.py decides; without an exchange the key names the queue itself."""
    queue, conf = routed["queue"], current_app.conf
    exchange, key = routed.get("exchange"), routed.get("routing_key")
    kind = getattr(queue.exchange, "type", None) or "direct"
    if (not exchange or not key) and kind == "direct":
        return "", queue.name
    if exchange is None:
        exchange = queue.exchange.name or conf.task_default_exchange
        key = key or queue.routing_key or conf.task_default_routing_key
    return str(getattr(exchange, "name", exchange)), str(key or "")


def _list_behind(exchange: str, key: str, sent_with: Any, bindings: Any) -> str:
    declared = [queue for queue in (*current_app.amqp.queues.values(), sent_with) if queue.exchange.name == exchange]
    kind = next((queue.exchange.type for queue in declared), "direct")
    if kind not in ("direct", "topic"):
        raise Refused({"exchange": [
            f"{exchange[:80]!r} is a {kind} exchange, which sends to every worker at once: a run is one job, which one "
            "worker does. Name a queue."
        ]})  # fmt: skip
    matching = STANDARD_EXCHANGE_TYPES[kind](None)
    table = [matching.prepare_bind(queue.name, exchange, queue.routing_key, {}) for queue in declared]
    table += _parsed(bindings(exchange))
    found = sorted(matching.lookup(table, exchange, key, None))
    if len(found) == 1:
        return found[0]
    told = f"the exchange {exchange[:80]!r} by the routing key {key[:80]!r}"
    if not found:
        raise Refused({"exchange": [f"No queue is bound to {told}: the message would be lost. Name a queue."]})
    raise Refused({"exchange": [f"{len(found)} queues are bound to {told}, and a run is one job. Name one queue."]})


def _parsed(members: Iterable[str]) -> list[tuple[str, str, str]]:
    parts = (member.split(_SEPARATOR) for member in members)
    return [(part[0], part[1], part[2]) for part in parts if len(part) == 3]
