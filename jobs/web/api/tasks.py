"""GET tasks, tasks/NAME; and POST jobs where it names a Celery task that is no kind. For operators."""

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import reverse

from jobs.core.access import is_operator
from jobs.core.errors import Refused
from jobs.foreign.form import PLACED
from jobs.foreign.task import ForeignTask, all_tasks, task_named
from jobs.models import Job
from jobs.submit.foreign import submit_task
from jobs.web.api.body import Body
from jobs.web.api.endpoint import Answer, endpoint, ok
from jobs.web.api.problem import Problem, invalid
from jobs.web.api.schema import schema_of
from jobs.web.api.shapes import listed, ref

#: What POST jobs takes instead of `kind` and `params`.
FIELDS: dict[str, Any] = {
    "task": {
        "type": "string", "minLength": 1, "maxLength": 255,
        "description": "Instead of `kind`: name of a Celery task, for operators. See GET tasks.",
    },
    "args": {"type": "array", "items": {}, "description": "Positional arguments of the task."},
    "kwargs": {"type": "object", "description": "Arguments of the task by name: see GET tasks/NAME."},
}  # fmt: skip


def task_json(task: ForeignTask) -> dict[str, Any]:
    return {
        "task": task.name,
        "label": task.label,
        "description": task.summary(),
        "queue": task.pool,
        "links": {"self": reverse("api-task", args=[task.name]), "submit": reverse("api-jobs")},
    }


@endpoint(
    "GET", "tasks", name="api-tasks", scope="read", problems=(403,),
    answers={200: Answer("Every Celery task that is no kind, without its schema.", listed("Task"))},
    example="tasks",
)  # fmt: skip
def list_tasks(request: HttpRequest) -> JsonResponse:
    """List the Celery tasks of the installed apps that are no kinds; for operators."""
    operators_only(request)
    return ok({"items": [task_json(task) for task in all_tasks()], "next": None})


@endpoint(
    "GET", "tasks/{task}", name="api-task", scope="read", problems=(403,),
    answers={200: Answer("The task, with the JSON Schema of its arguments by name.", ref("TaskWithSchema"))},
    example="tasks/NAME",
)  # fmt: skip
def get_task_schema(request: HttpRequest, task: str) -> JsonResponse:
    """Show a Celery task and the JSON Schema of its arguments; for operators.

    The schema is made from the task's signature: type hints, defaults, pydantic models.
    """
    operators_only(request)
    found = task_named(task)
    if found is None:
        raise Problem(404, f"No Celery task {task[:80]!r} is known here.")
    return ok({**task_json(found), "schema": schema_of(found)})


def submit_named(request: HttpRequest, body: Body, key: str | None) -> Job:
    """Accept the task that the body names. Raises Problem 403, and 422 with fields as the sender knows them."""
    operators_only(request)
    if wrong := [name for name in ("kind", "params") if name in body.values] + list(body.files):
        raise invalid(
            {name[:100]: ["A task takes args and kwargs, and neither kind, params nor files."] for name in wrong}
        )
    options = {"priority": body.get("priority"), "due_at": body.get("due_at"), "queue": body.get("queue"),
               "title": body.get("label"), "idempotency_key": key}  # fmt: skip
    name, args, kwargs = body.get("task"), body.get("args", []), body.get("kwargs", {})
    try:
        return submit_task(
            name, args, kwargs, user=request.user, via="api",
            **{option: value for option, value in options.items() if value is not None},
        )  # fmt: skip
    except Refused as refused:
        raise invalid({_told(name, args, field): texts for field, texts in refused.errors.items()}) from refused


def _told(name: str, args: list[Any], field: str) -> str:
    """What the sender calls a parameter: args[1] or kwargs.width."""
    task = task_named(name)
    if task is None or field in ("task", "args", "priority"):
        return field
    if field == "__all__":
        return "kwargs"
    places = [each.name for each in task.parameters if each.kind in PLACED]
    return f"args[{places.index(field)}]" if field in places[: len(args)] else f"kwargs.{field}"


def operators_only(request: HttpRequest) -> None:
    if not is_operator(request.user):
        raise Problem(403, "Only operators see and start Celery tasks by name: a task may do anything.")
