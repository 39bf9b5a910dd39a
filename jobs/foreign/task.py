"""A Celery task that is no kind, as far as pages, the API and the command line need to know it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from celery import Task, current_app

from jobs.core.errors import Refused
from jobs.core.redaction import masked, opened
from jobs.core.registry import kind_of_task
from jobs.core.typed import unwrapped
from jobs.foreign.form import Parameter, TaskForm, check_names, parameters_of, values_of

#: Packages whose tasks nobody is offered: Celery's own parts of canvas, and the examples that come with Jobsite. By
#: where they are written, since anybody's task may be called "celery.report" or "jobs.nightly".
_NOT_FOREIGN = ("celery", "jobs")


@dataclass(frozen=True)
class ForeignTask:
    """Has what a Kind has for those who only submit it: label, summary, Form, preview, and the queue as its pool.

    task: None where no installed app has it, so that only its name is known.
    """

    name: str
    task: Any

    @property
    def label(self) -> str:
        return self.name.rsplit(".", 1)[-1].replace("_", " ").strip().capitalize() or self.name

    def summary(self) -> str:
        """The first line of the docstring; "" where it has none of its own."""
        doc = (self.task.__doc__ or "").strip()
        return doc.splitlines()[0].strip() if doc and self.task.__doc__ != Task.__doc__ else ""

    @property
    def pool(self) -> str:
        """The queue that Celery routes it to."""
        own = getattr(self.task, "queue", None)
        route = current_app.amqp.router.route({"queue": own} if own else {}, self.name, (), {}, self.task)
        queue = route.get("queue")
        return str(getattr(queue, "name", queue) or current_app.conf.task_default_queue)

    @property
    def parameters(self) -> list[Parameter]:
        return parameters_of(self.task.run) if self.task is not None else []

    @property
    def Form(self) -> type[TaskForm]:
        return TaskForm.of(self.parameters)

    def form(self, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> TaskForm:
        """The Form, bound to a call. Raises Refused for a call that the signature does not take."""
        return self.Form.bound(values_of(self.parameters, args, kwargs or {}))

    def form_of(self, values: Mapping[str, Any]) -> TaskForm:
        """The Form, bound to arguments by the names of their parameters. Raises Refused."""
        parameters = self.parameters
        check_names(parameters, values)
        return TaskForm.of(parameters).bound(values)

    def values(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """A job's {"args", "kwargs"} by the parameters' names, as stored; {} where the signature has changed since."""
        try:
            return unwrapped(values_of(self.parameters, params.get("args") or [], params.get("kwargs") or {}))
        except Refused:
            return {}

    def initial(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """What a form starts with, from a job's {"args", "kwargs"}: secrets masked."""
        return masked(self.values(params))

    def preview(self, cleaned: Mapping[str, Any]) -> list[tuple[str, str]]:
        return [("Task", self.name), ("Queue", self.pool)]


def readable_call_of(params: Any) -> tuple[list[Any], dict[str, Any]]:
    """As `call_of`, for those who can give a secret again. Raises Refused."""
    try:
        return call_of(params)
    except ValueError as error:
        raise Refused({"__all__": ["A stored secret cannot be read: give it again."]}) from error


def call_of(params: Any) -> tuple[list[Any], dict[str, Any]]:
    """(args, kwargs) of a job's parameters, secrets in clear. Raises ValueError where SECRET_KEY has changed since."""
    params = opened(params) if isinstance(params, dict) else {}
    args, kwargs = params.get("args"), params.get("kwargs")
    return args if isinstance(args, list) else [], kwargs if isinstance(kwargs, dict) else {}


def task_named(name: str) -> ForeignTask | None:
    """The task, None where no installed app has it."""
    current_app.loader.import_default_modules()
    return ForeignTask(name, current_app.tasks[name]) if name in current_app.tasks and _is_foreign(name) else None


def task_or_name(name: str) -> ForeignTask:
    """The task, whoever wrote it; or its name alone, for workers of another code base."""
    current_app.loader.import_default_modules()
    return ForeignTask(name, current_app.tasks.get(name))


def all_tasks() -> list[ForeignTask]:
    """Every task of installed apps that is neither Celery's own nor a kind's, by name."""
    current_app.loader.import_default_modules()
    return [ForeignTask(name, current_app.tasks[name]) for name in sorted(filter(_is_foreign, current_app.tasks))]


def _is_foreign(name: str) -> bool:
    package = current_app.tasks[name].__module__.partition(".")[0]
    return package not in _NOT_FOREIGN and kind_of_task(name) is None
