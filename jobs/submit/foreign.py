"""Jobs from Celery tasks that are no kinds: other people's, called by name, checked by the form of their signature."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any

from django.utils import timezone

from jobs.core.errors import Refused
from jobs.core.redaction import MASK, holds_mask, sealed
from jobs.foreign.form import values_of
from jobs.foreign.route import route_of
from jobs.foreign.task import readable_call_of, task_or_name
from jobs.models import Job
from jobs.models.job import Via
from jobs.submit.submission import Draft, Submission, row_of
from jobs.submit.terms import Terms, check_operator
from jobs.wire.connection import breaker, redis_client


def submit_task(
    name: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None, *,
    values: Mapping[str, Any] | None = None, user: Any = None, via: str = Via.API,
    idempotency_key: str | None = None, **terms: Any,
) -> Job:  # fmt: skip
    """Accept one run of the Celery task `name`, with the arguments that its signature takes; operators only.

    values: all arguments by the names of their parameters, instead of args and kwargs; terms: those of `Terms.of_task`.
    The same idempotency key of the same user answers the job that it made.
    Raises Refused with every bad parameter by its name, OverQuota, and Conflict where the key came with other ones.
    """
    return checked_call(Terms.of_task(name, user, via=via, **terms), args, kwargs, values).accept(idempotency_key)


def checked_call(
    terms: Terms, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None,
    values: Mapping[str, Any] | None = None,
) -> Submission:  # fmt: skip
    """A call, or all arguments by the names of their parameters, checked by the task's signature. Raises Refused."""
    task = terms.task
    if task is None or task.task is None:
        raise Refused({"task": [f"No Celery task {terms.name[:80]!r} is known here."]})
    return Submission.of_call(terms, task.form(args, kwargs) if values is None else task.form_of(values))


def drafted_call(
    name: str, args: Sequence[Any], kwargs: Mapping[str, Any], *, sending: Mapping[str, Any], user: Any = None,
    **terms: Any,
) -> Draft:  # fmt: skip
    """A run of a task that is sent as Celery's own beat would send it, by name and with what is given.

    The task may be of another code base; type hints bind nobody, since Celery does not look at them.
    sending: what `route_of` takes; terms: those of `Terms.of_task`. Raises Refused.
    """
    check_operator(user)
    task = task_or_name(name)
    if any(map(holds_mask, (args, kwargs))):
        raise Refused({"args": [f"{MASK} stands for a secret that cannot be read back: give it again."]})
    route = route_of(name, args, kwargs, now=timezone.now(), bindings=_bindings, **sending)
    agreed = Terms.of_task(task, user, queue=route.queue, **terms, send_options=route.options)
    names = [parameter.name for parameter in task.parameters]
    return Draft(row_of(replace(agreed, priority=route.priority), _sealed_call(names, args, kwargs)))


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
    user: Any = None, **terms: Any,
) -> Draft:  # fmt: skip
    """One job whose arguments are not all known yet, and so not checked; known secrets become ciphertext.

    is_open: whether an argument is still to be made of others' results; before: how many will be put before `args`;
    terms: those of `Terms.of_task`. Raises Refused.
    """
    agreed = Terms.of_task(name, user, blocked=True, **terms)
    assert agreed.task is not None
    names = [parameter.name for parameter in agreed.task.parameters[before:]]
    return Draft(row_of(agreed, _sealed_call(names, args, kwargs, is_open)))


def rerun_task(job: Job, user: Any, params: Mapping[str, Any] | None = None, *, via: str,
               idempotency_key: str | None = None, **terms: Any) -> Job:  # fmt: skip
    """A new job from an old one's arguments, with `params` (by the parameters' names) laid over them. Raises Refused.

    terms: those of `Terms.of_task`.
    """
    agreed = Terms.of_task(job.kind, user, via=via, rerun_of=job, **terms)
    assert agreed.task is not None
    values = {**values_of(agreed.task.parameters, *readable_call_of(job.params)), **(params or {})}
    return checked_call(agreed, values=values).accept(idempotency_key)
