"""Jobs from Celery tasks that are no kinds: other people's, called by name, checked by the form of their signature."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import zip_longest
from typing import Any

from django.db import IntegrityError
from django.utils import timezone

from jobs.core.access import is_operator
from jobs.core.errors import Refused
from jobs.core.redaction import MASK, holds_mask, opened, sealed
from jobs.core.retry import attempts_of_task
from jobs.core.search_words import words_for
from jobs.foreign.form import values_of
from jobs.foreign.route import route_of
from jobs.foreign.task import ForeignTask, readable_call_of, task_named, task_or_name
from jobs.models import Job
from jobs.models.job import Via, new_id
from jobs.submit import quota
from jobs.submit.insert import new_row
from jobs.submit.submit import Draft, accept, check_due, earlier_job, first_check, priority_number
from jobs.submit.validate import cleaned
from jobs.wire.connection import breaker, redis_client


def submit_task(
    name: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, *,
    values: Mapping[str, Any] | None = None, user: Any = None, via: str = Via.API, title: str = "",
    priority: str | int | None = None, queue: str | None = None, due_at: datetime | None = None, schedule: Any = None,
    slot: datetime | None = None, rerun_of: Job | None = None, idempotency_key: str | None = None,
) -> Job:  # fmt: skip
    """Accept one run of the Celery task `name`, with the arguments that its signature takes; operators only.

    values: all arguments by the names of their parameters, instead of args and kwargs.
    The same idempotency key of the same user answers the job that it made.
    Raises Refused with every bad parameter by its name, OverQuota, and Conflict where the key came with other ones.
    """
    job = _task_job(
        name, args, kwargs, values=values, user=user, via=via, title=title, priority=priority, queue=queue,
        due_at=due_at, schedule=schedule, slot=slot, rerun_of=rerun_of,
    )  # fmt: skip
    if idempotency_key:
        job.idempotency_key, job.idempotency_hash = idempotency_key, _fingerprint(name, job.params)
        if earlier := earlier_job(user, idempotency_key, job.idempotency_hash):
            return earlier
    quota.check(user, 1)
    try:
        accept(job, [], [], user)
    except IntegrityError:
        # Of two submissions with one key at the same time, the unique index let one in: this is the other.
        if idempotency_key and (earlier := earlier_job(user, idempotency_key, job.idempotency_hash)):
            return earlier
        raise
    return job


def drafted_task(
    name: str, args: Sequence[Any], kwargs: Mapping[str, Any], *, user: Any = None, **options: Any
) -> Draft:  # fmt: skip
    """One job for `insert_drafts`; options: those of `submit_task`. The quota was asked before. Raises Refused."""
    return Draft(_task_job(name, args, kwargs, user=user, **options), [])


def drafted_call(
    name: str, args: Sequence[Any], kwargs: Mapping[str, Any], *, sending: Mapping[str, Any], user: Any = None,
    **options: Any,
) -> Draft:  # fmt: skip
    """The same of a task that is sent as Celery's own beat would send it, by name and with what is given.

    The task may be of another code base; type hints bind nobody, since Celery does not look at them.
    sending: what `route_of` takes; options: those of `submit_task`. Raises Refused.
    """
    _check_operator(user)
    task = task_or_name(name)
    if any(map(holds_mask, (args, kwargs))):
        raise Refused({"args": [f"{MASK} stands for a secret that cannot be read back: give it again."]})
    route = route_of(name, args, kwargs, now=timezone.now(), bindings=_bindings, **sending)
    names = [parameter.name for parameter in task.parameters]
    job = _row(task, _sealed_call(names, args, kwargs), user=user, queue=route.queue, **options)
    job.priority, job.send_options = route.priority, route.options
    return Draft(job, [])


def _bindings(exchange: str) -> set[str]:
    """What kombu keeps of an exchange, whoever declared its queues."""
    found: Any = breaker.call(lambda: redis_client().smembers(f"_kombu.binding.{exchange}"))
    return found


def _sealed_call(names: Sequence[str], args: Sequence[Any], kwargs: Mapping[str, Any],
                 is_open: Callable[[Any], bool] = lambda value: False) -> dict[str, Any]:  # fmt: skip
    """The arguments as a row keeps them: secrets, known by the names of their parameters, as ciphertext."""
    named = [*zip_longest(names[: len(args)], args, fillvalue=""), *kwargs.items()]
    values = [value if is_open(value) else sealed(value, key) for key, value in named]
    return {"args": values[: len(args)], "kwargs": dict(zip(kwargs, values[len(args) :], strict=True))}


def blocked_task(
    name: str, args: Sequence[Any], kwargs: Mapping[str, Any], is_open: Callable[[Any], bool], *, before: int = 0,
    user: Any = None, **options: Any,
) -> Draft:  # fmt: skip
    """One job whose arguments are not all known yet, and so not checked; known secrets become ciphertext.

    is_open: whether an argument is still to be made of others' results; before: how many will be put before `args`.
    Raises Refused.
    """
    task = _task(name, user)
    names = [parameter.name for parameter in task.parameters[before:]]
    call = _sealed_call(names, args, kwargs, is_open)
    return Draft(_row(task, call, user=user, blocked=True, **options), [])


def _task_job(
    name: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, *,
    values: Mapping[str, Any] | None = None, user: Any, **options: Any,
) -> Job:  # fmt: skip
    """A checked job that is not stored yet. options: those of `submit_task`. Raises Refused."""
    task = _task(name, user)
    form = task.form(args, kwargs) if values is None else task.form_of(values)
    cleaned(form)
    called = dict(zip(("args", "kwargs"), form.arguments(), strict=True))
    if any(map(holds_mask, readable_call_of(called))):
        raise Refused({"__all__": [f"{MASK} stands for a secret that cannot be read back: give it again."]})
    return _row(task, called, user=user, **options)


def _row(
    task: ForeignTask, called: Mapping[str, Any], *, user: Any, via: str, title: str = "",
    priority: str | int | None = None, queue: str | None = None, due_at: datetime | None = None, blocked: bool = False,
    **more: Any,
) -> Job:  # fmt: skip
    now = timezone.now()
    check_due(due_at)
    title = (title or task.label).strip()[:200]
    owner = user if user is not None and user.pk else None
    waits = due_at is not None and due_at > now
    return new_row(
        id=new_id(), kind=task.name, is_kind=False, title=title, owner=owner, via=via, queue=queue or task.pool,
        priority=priority_number(priority), params=dict(called), max_attempts=attempts_of_task(task.task, 0),
        created=now, changed=now, due_at=due_at, blocked=blocked,
        next_check_at=due_at if waits else first_check(None, now, blocked=blocked),
        search=words_for(title, task.name, task.name, owner.get_username() if owner else ""), **more,
    )  # fmt: skip


def rerun_task(job: Job, user: Any, params: Mapping[str, Any] | None = None, **options: Any) -> Job:
    """A new job from an old one's arguments, with `params` (by the parameters' names) laid over them. Raises Refused.

    options: those of `submit_task`.
    """
    task = _task(job.kind, user)
    values = {**values_of(task.parameters, *readable_call_of(job.params)), **(params or {})}
    return submit_task(job.kind, values=values, user=user, rerun_of=job, **options)


def _check_operator(user: Any) -> None:
    if user is not None and not is_operator(user):
        raise Refused({"task": ["Only operators start Celery tasks by name: a task may do anything."]})


def _task(name: str, user: Any) -> ForeignTask:
    _check_operator(user)
    task = task_named(name)
    if task is None:
        raise Refused({"task": [f"No Celery task {name[:80]!r} is known here."]})
    return task


def _fingerprint(name: str, called: Mapping[str, Any]) -> str:
    """What makes two submissions the same. Secrets in clear: their ciphertext differs each time."""
    return hashlib.sha256(json.dumps([name, opened(called)], sort_keys=True).encode()).hexdigest()
