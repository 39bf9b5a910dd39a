"""Tasks that Celery sends back to their queue by itself: the child that ran them died, or took too long.

`reject_on_worker_lost` and `acks_on_failure_or_timeout=False` ask for that. The broker would bring the same message,
whose attempt has run and which the claim refuses: what is wanted is a further attempt.
"""

import logging
from functools import cache
from typing import Any

from billiard.exceptions import TimeLimitExceeded
from celery.utils.imports import symbol_by_name

from jobs.core.states import State
from jobs.wire import keys
from jobs.wire.connection import UNREACHABLE, redis_client
from jobs.worker import external, report
from jobs.worker.execution import Execution, attempt_of

log = logging.getLogger(__name__)


def install(task: Any) -> None:
    """Lay it over the task's own class of requests, whichever that is."""
    task.Request = _sending_again(symbol_by_name(task.Request))


class SendsAgain:
    """Of the request in a worker's main process, which decides what becomes of the message."""

    _is_too_slow = False

    def on_failure(self, exc_info: Any, *args: Any, **kwargs: Any) -> Any:
        error = exc_info.exception
        self._is_too_slow = isinstance(getattr(error, "exc", error), TimeLimitExceeded)
        return super().on_failure(exc_info, *args, **kwargs)  # type: ignore[misc]

    def reject(self: Any, requeue: bool = False) -> None:
        if requeue and not self.acknowledged and _send_again(self.task, self._context, self._is_too_slow):
            self.acknowledge()
            self.send_event("task-rejected", requeue=True)
        else:
            super().reject(requeue=requeue)  # type: ignore[misc]


@cache
def _sending_again(cls: type) -> type:
    return type(cls.__name__, (SendsAgain, cls), {"__module__": cls.__module__})


def _send_again(task: Any, request: Any, is_too_slow: bool) -> bool:
    """False: the message itself may come again, since no attempt of it has begun, or nothing can be said at all."""
    execution = Execution(
        request.id, attempt_of(request), task.name, str(getattr(request, "jobsite_user", "") or ""),
        message=external.tag_of(request),
    )  # fmt: skip
    try:
        attempt, phase, messages = redis_client().hmget(keys.run(execution.job), "attempt", "phase", "messages")
    except UNREACHABLE as error:
        log.warning("%s comes again as it is, and is not run: %s", request.id, error)
        return False
    mine = f";{execution.message}=" in (messages or "") if execution.message else attempt == str(execution.attempt)
    if not mine or phase == "queued":
        return False
    if is_too_slow or phase == "final":
        # Celery tells of its failure as well: it is sent anew, as a client sends an id again.
        if execution.message:
            external.put_back(task, request, execution)
        return bool(execution.message)
    external.begin(request, execution)
    external.put_back(task, request, execution)
    report.state(
        execution.task_id, execution.attempt, execution.user, State.RETRY, phase="retry", task=execution.task,
        message=execution.message, error_type="WorkerLost", celery_eta=True,
        error="The process that ran it has died, and the task wants to run again then (reject_on_worker_lost).",
    )  # fmt: skip
    return True
