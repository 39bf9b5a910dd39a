"""Pushing messages: Celery's protocol 2 written straight into kombu's Redis lists.

Celery's own `apply_async` cannot put the push and the mark of the attempt into one step (LINE 1), and costs a round
trip a message. Format: https://docs.celeryq.dev/en/stable/internals/protocol.html#version-2 and kombu's
transport/redis.py.
"""

import base64
import json
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs.wire import events, keys, scripts
from jobs.wire.connection import breaker, redis_client

ATTEMPT_HEADER = "jobsite_attempt"
#: `retries` that the message was sent with; Celery's own Task.retry counts on from it.
RETRIES_HEADER = "jobsite_retries"
PUBLISHED_HEADER = "jobsite_published"
USER_HEADER = "jobsite_user"
#: The tag of a message that Celery code sent and a worker of ours sends on as the same one: it waits for its turn.
MESSAGE_HEADER = "jobsite_message"
#: How often it was put off so far.
TURNS_HEADER = "jobsite_turns"
#: The tag of the message whose task retried itself with this one.
AFTER_HEADER = "jobsite_after"
#: How often a task has put itself back into its queue.
REDELIVERED_HEADER = "jobsite_redelivered"
#: {"max": attempts in all, "first": number that automatic retries count from, "owner": user name}
POLICY_HEADER = "jobsite_policy"

_DEFAULT_HEADERS: Mapping[str, Any] = {
    "parent_id": None,
    "group": None,
    "eta": None,
    # What monitors print: never the parameters, which may hold secrets (LINE 16).
    "argsrepr": "()",
    "kwargsrepr": "{…}",
    "origin": "jobsite",
    "ignore_result": False,
    "replaced_task_nesting": 0,
    "stamped_headers": None,
    "stamps": {},
}

#: Messages of one script: Redis answers nobody else meanwhile, some 12 µs for each.
_BATCH = 100


@dataclass(frozen=True, slots=True)
class Message:
    """One attempt of one job, as it is sent. `user` is the owner's primary key or ""."""

    job: str
    task: str
    attempt: int
    queue: str
    priority: int
    kwargs: dict[str, Any]
    args: Sequence[Any] = ()
    user: str = ""
    owner: str = ""
    kind: str = ""
    max_attempts: int = 1
    first_attempt: int = 1
    #: [s] (hard, soft), None: no limit.
    time_limits: tuple[float | None, float | None] = (None, None)
    #: As `Job.send_options` keeps them; {}: nothing that the rest does not say.
    options: Mapping[str, Any] = field(default_factory=dict)

    def envelope(self) -> str:
        """The text that lies in the list, ready for kombu."""
        body = json.dumps(
            [list(self.args), self.kwargs, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
        )
        # Celery lets a sender's own headers stand over its own, but whose message this is they do not change.
        headers = {
            **_DEFAULT_HEADERS,
            "expires": self.options.get("expires"),
            "timelimit": list(self.time_limits),
            **self.options.get("headers", {}),
            "lang": "py",
            "task": self.task,
            "id": self.job,
            "root_id": self.job,
            "retries": 0,
            ATTEMPT_HEADER: self.attempt,
            RETRIES_HEADER: 0,
            PUBLISHED_HEADER: int(time.time() * 1000),
            USER_HEADER: self.user,
            POLICY_HEADER: {"max": self.max_attempts, "first": self.first_attempt, "owner": self.owner},
        }
        properties = {
            "correlation_id": self.job,
            "reply_to": "",
            "delivery_mode": 2,
            "delivery_info": {
                "exchange": self.options.get("exchange") or "",
                "routing_key": self.options.get("routing_key") or self.queue,
            },
            "priority": self.options.get("priority", self.priority),
            "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
        }
        return json.dumps(
            {
                "body": base64.b64encode(body.encode()).decode(),
                "content-encoding": "utf-8",
                "content-type": "application/json",
                "headers": headers,
                "properties": properties,
            }
        )


def publish(messages: Iterable[Message], *, force: bool = False) -> list[str]:
    """Push each message and mark its attempt queued, in one atomic step.

    Answers the verdict of `publish.lua` for each. Raises ConnectionError where Redis is unreachable: the
    caller's rows are in SQL, and dispatch follows.
    """
    return breaker.call(_publish, list(messages), force)


def _publish(messages: list[Message], force: bool) -> list[str]:
    client = redis_client()
    verdicts: list[str] = []
    for start in range(0, len(messages), _BATCH):
        names, values = [keys.EVENTS], ["1" if force else "0"]
        for message in messages[start : start + _BATCH]:
            names += keys.run(message.job), keys.queue(message.queue, message.priority)
            values += str(message.attempt), message.envelope(), _queued(message), message.user, message.kind
        verdicts += scripts.call(client, "publish", names, values)
    return verdicts


def _queued(message: Message) -> str:
    return events.encode(
        events.QUEUED, message.job, message.attempt, message.user, kind=message.kind, queue=message.queue
    )
