"""From a job's row to the message that a worker gets."""

from typing import Any

from jobs.core.registry import get_kind, task_name
from jobs.foreign.task import call_of, task_or_name
from jobs.models import Job
from jobs.wire.publish import Message


def message_for(job: Job, owner_name: str = "") -> Message:
    """The message of the job's current attempt."""
    kind = get_kind(job.kind) if job.is_kind else None
    args: list[Any]
    if job.is_kind:
        task, args, kwargs = task_name(job.kind), [], job.params
    else:
        task, (args, kwargs) = job.kind, _call(job)
    return Message(
        job=job.id,
        task=task,
        args=args,
        kwargs=kwargs,
        attempt=job.attempt,
        queue=job.queue,
        priority=job.priority,
        user=str(job.owner_id or ""),
        owner=owner_name,
        kind=job.kind,
        max_attempts=job.max_attempts,
        first_attempt=job.first_attempt,
        time_limits=kind.time_limits() if kind else (None, None),
        options=_options(job),
    )


def _options(job: Job) -> dict[str, Any]:
    """Without the time by which it was to have started, once a person has retried it: it would never run."""
    options = job.send_options
    if "expires" in options and job.first_attempt > 1:
        return {name: value for name, value in options.items() if name != "expires"}
    return options


def _call(job: Job) -> tuple[list[Any], dict[str, Any]]:
    """Arguments of a task that is no kind, whose worker knows nothing of ciphertext."""
    try:
        return call_of(job.params)
    except ValueError:
        # SECRET_KEY has changed: the task fails with what it gets, where an error here would hold up all others.
        return job.params.get("args", []), job.params.get("kwargs", {})


def is_known(task: str) -> bool:
    """Whether this code base has a Celery task of that name."""
    return task_or_name(task).task is not None
