"""What Celery code has sent and no worker has begun: found where it lies, when somebody asks for its id.

A worker tells of a task as it starts. Until then its message is in the broker alone, in a list or in the hand of a
worker that keeps it for its time (`countdown`, `eta`), and the step of a canvas has not even a message.
"""

import base64
import json
import time
from typing import Any

from celery import current_app
from django.conf import settings

from jobs.core.ids import LONGEST, stored_id
from jobs.core.kind import POOLS
from jobs.core.priorities import STEPS
from jobs.core.redaction import masked, masked_args
from jobs.models import CanvasLink, Job
from jobs.wire import events, keys
from jobs.wire.connection import breaker, redis_client

#: Messages that one look goes through, and of them so many at a time.
MOST, _CHUNK = 10_000, 500
#: [s] that the keeper has to record what was found, and that an id which was not found is not looked for again.
_RECORDED_WITHIN, _FORGET_AFTER = 3.0, 5.0

_missed: dict[str, float] = {}


def found(job_id: str) -> bool:
    """Whether there is a row of the job now: one is made of what the broker holds, or of the canvas that it ends.

    Costs a look at up to MOST messages, so it is for operators, and for one id at most once in some seconds.
    """
    now = time.monotonic()
    if job_id in _missed and now - _missed[job_id] < _FORGET_AFTER:
        return False
    try:
        told = _in_canvas(job_id) or breaker.call(_in_broker, job_id)
        if told is not None:
            breaker.call(_tell, job_id, told)
            return _recorded(job_id)
    except ConnectionError:
        return False  # it is asked again once Redis is back
    if len(_missed) > 1_000:
        _missed.clear()
    _missed[job_id] = now
    return False


def _in_canvas(job_id: str) -> dict[str, Any] | None:
    link = CanvasLink.objects.filter(after=job_id).exclude(task="").order_by("id").first()
    if link is None:
        return None
    queue = current_app.amqp.router.route({}, link.task).get("queue")
    return {"task": link.task, "parent": "before", "queue": str(getattr(queue, "name", queue) or "")}


def _in_broker(job_id: str) -> dict[str, Any] | None:
    # Of a longer id than a row holds, its beginning; what is found is looked at as a whole.
    mark = json.dumps(job_id if len(job_id) < LONGEST else job_id[:100])[:-1]
    client, left = redis_client(), MOST
    for name in sorted({*POOLS, *_more_queues()}):
        for step in STEPS:
            start = 0
            while left > 0 and (texts := client.lrange(keys.queue(name, step), start, start + _CHUNK - 1)):
                start, left = start + len(texts), left - len(texts)
                for text in texts:
                    if mark in text and (told := _described(text, job_id, name)):
                        return told
    for _, text in client.hscan_iter(keys.UNACKED, count=_CHUNK):
        left -= 1
        if mark in text and (told := _described(text, job_id, "")):
            return told
        if left < -MOST:
            break
    return None


def _more_queues() -> list[str]:
    named = [name for more in getattr(settings, "JOBSITE_QUEUES", {}).values() for name in more]
    return [*named, "celery", current_app.conf.task_default_queue, *current_app.amqp.queues]


def _described(text: str, job_id: str, queue: str) -> dict[str, Any] | None:
    """What a message says that is the job's; kombu keeps one in hand with its exchange and routing key."""
    try:
        message = json.loads(text)
        if isinstance(message, list):
            message, _, queue = message
        headers, priority = message["headers"], message["properties"].get("priority") or 0
        if stored_id(str(headers["id"])) != job_id:
            return None
        args, kwargs, _ = json.loads(base64.b64decode(message["body"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # another serializer's, or nobody's: it is told once it starts
    task = current_app.tasks.get(str(headers.get("task")))
    return {
        "task": str(headers.get("task")), "args": masked_args(task and task.run, args), "kwargs": masked(kwargs),
        "queue": queue,
        "priority": priority, "root": headers.get("root_id"), "parent": headers.get("parent_id"),
        "eta": headers.get("eta"),
    }  # fmt: skip


def _tell(job_id: str, told: dict[str, Any]) -> None:
    """Through the stream, as a worker would: there is one place where such rows are made."""
    redis_client().xadd(keys.EVENTS, {"e": events.encode(events.QUEUED, job_id, 1, foreign=True, **told)})


def _recorded(job_id: str) -> bool:
    until = time.monotonic() + _RECORDED_WITHIN
    while time.monotonic() < until:
        if Job.objects.filter(id=job_id).exists():
            return True
        time.sleep(0.05)
    return False
