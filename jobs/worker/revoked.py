"""Retries of what Celery itself was told to revoke: a worker remembers the id, and would revoke each later attempt."""

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from celery.utils.imports import instantiate

from jobs.wire.publish import PUBLISHED_HEADER


def heed_retries(task: Any) -> None:
    """Let the task's strategy, which a worker's consumer makes, forget a revoke that is older than the message."""
    task.Strategy = partial(_strategy, task.Strategy)


def _strategy(original: Any, task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    handle = instantiate(original, task, app, consumer, **options)
    revoked = consumer.controller.state.revoked

    def handler(message: Any, *args: Any, **kwargs: Any) -> Any:
        forget_older(revoked, message.headers)
        return handle(message, *args, **kwargs)

    return handler


def forget_older(revoked: Any, headers: Mapping[str, Any]) -> None:
    """Only for what was published from here, which alone says when. Ages are compared, since the set tells no time of
    day: a revoke that came after the message holds."""
    published = headers.get(PUBLISHED_HEADER)
    if not published or (job := headers.get("id")) not in revoked:
        return
    revoked_for = time.monotonic() - revoked.as_dict()[job]
    if time.time() - published / 1000 < revoked_for:
        revoked.discard(job)
