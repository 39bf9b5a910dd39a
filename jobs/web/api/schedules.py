"""The calls of schedules: list, make, show, change, delete, run, skip."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse

from jobs.core.access import is_operator
from jobs.models import Schedule
from jobs.schedules import editor as work
from jobs.schedules.fire import run_now
from jobs.schedules.target import Target, target_named, target_of
from jobs.web.api.body import Body
from jobs.web.api.endpoint import Answer, endpoint, ok
from jobs.web.api.job import job_answer
from jobs.web.api.problem import Problem, invalid
from jobs.web.api.query import LIMIT, whole_number
from jobs.web.api.schedule_body import CHANGE, NEW, editor_for, schedule_json
from jobs.web.api.shapes import listed, ref
from jobs.web.pages.schedule_rows import rows_of, visible_to

_CURSOR = {"type": "integer", "minimum": 0, "maximum": 2**62, "default": 0, "description": "`next` of the page before."}
_LIMIT = {**LIMIT, "default": 50, "maximum": 200}
_NOTHING: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
_SCHEDULE = Answer("The schedule, with its next runs.", ref("Schedule"))
_MADE = Answer("Made.", ref("Schedule"), headers={"Location": "Address of the schedule."})


@endpoint(
    "GET", "schedules", name="api-schedules", scope="read",
    query={
        "cursor": _CURSOR,
        "limit": _LIMIT,
    },
    answers={200: Answer("A page of schedules, oldest first.", listed("Schedule"))},
    example="schedules",
)  # fmt: skip
def list_schedules(request: HttpRequest) -> JsonResponse:
    """List schedules: operators see all, others their own."""
    limit = whole_number(request, "limit", _LIMIT)
    after = whole_number(request, "cursor", _CURSOR)
    found = list(visible_to(request.user).filter(pk__gt=after).order_by("pk")[: limit + 1])
    page = found[:limit]
    following = str(page[-1].pk) if len(found) > limit else None
    return ok({"items": [schedule_json(row) for row in rows_of(page)], "next": following})


@endpoint(
    "POST", "schedules", name="api-schedules", scope="write", body=NEW, answers={201: _MADE},
    example="""schedules --json '{"name": "Nightly", "kind": "report", "params": {"source": "jobs"}, """
    """"cron": "30 2 * * *", "timezone": "Europe/Berlin"}'""",
)  # fmt: skip
def make_schedule(request: HttpRequest, body: Body) -> JsonResponse:
    """Make a schedule; for operators.

    It runs by `cron`, or `every` so many `period`s, or once `at` a time. Bad parameters are named `params.NAME`.
    """
    _operators_only(request)
    saved = editor_for(request, body, _target(body)).save(request.user, "api")
    return ok(_json(saved), 201, {"Location": reverse("api-schedule", args=[saved.pk])})


@endpoint(
    "GET", "schedules/{schedule}", name="api-schedule", scope="read", answers={200: _SCHEDULE}, example="schedules/1"
)
def get_schedule(request: HttpRequest, schedule: int) -> JsonResponse:
    """Show a schedule: its rule in words, next runs, last job."""
    return ok(_json(_find(request, schedule)))


@endpoint(
    "PATCH", "schedules/{schedule}", name="api-schedule", scope="write", body=CHANGE, answers={200: _SCHEDULE},
    example="""schedules/1 --request PATCH --json '{"enabled": false}'""",
)  # fmt: skip
def change_schedule(request: HttpRequest, body: Body, schedule: int) -> JsonResponse:
    """Change a schedule, or pause it; for operators.

    What is not sent stays, each parameter for itself; null empties a field.
    """
    _operators_only(request)
    found = _find(request, schedule)
    saved = editor_for(request, body, target_of(found.task), found).save(request.user, "api")
    return ok(_json(saved))


@endpoint(
    "DELETE", "schedules/{schedule}", name="api-schedule", scope="write", answers={204: Answer("Deleted.")},
    example="schedules/1 --request DELETE",
)  # fmt: skip
def delete_schedule(request: HttpRequest, schedule: int) -> HttpResponse:
    """Delete a schedule; for operators. Its jobs stay."""
    _operators_only(request)
    work.delete(_find(request, schedule), request.user, "api")
    return HttpResponse(status=204)


@endpoint(
    "POST", "schedules/{schedule}/run", name="api-schedule-run", scope="write",
    body=_NOTHING, problems=(429,),
    answers={202: Answer("Started.", ref("Job"), headers={"Location": "Address of the job."})},
    example="schedules/1/run --request POST",
)  # fmt: skip
def run_schedule(request: HttpRequest, body: Body, schedule: int) -> JsonResponse:
    """Run a schedule's job now, beside its planned runs."""
    job = run_now(_find(request, schedule), request.user, "api")
    response = job_answer(job, 202)
    response.headers["Location"] = reverse("api-job", args=[job.id])
    return response


@endpoint(
    "POST", "schedules/{schedule}/skip", name="api-schedule-skip", scope="write", body=_NOTHING, problems=(409,),
    answers={200: _SCHEDULE}, example="schedules/1/skip --request POST",
)  # fmt: skip
def skip_run(request: HttpRequest, body: Body, schedule: int) -> JsonResponse:
    """Skip the next run, and only that: asked again before its time, nothing more is skipped."""
    found = _find(request, schedule)
    work.skip_next(found, request.user, "api")
    return ok(_json(found))


@endpoint(
    "DELETE", "schedules/{schedule}/skip", name="api-schedule-skip", scope="write", problems=(409,),
    answers={200: _SCHEDULE}, example="schedules/1/skip --request DELETE",
)  # fmt: skip
def do_not_skip(request: HttpRequest, schedule: int) -> JsonResponse:
    """Let the skipped run start after all."""
    found = _find(request, schedule)
    work.unskip(found, request.user, "api")
    return ok(_json(found))


def _json(schedule: Schedule) -> dict[str, object]:
    return schedule_json(rows_of([schedule])[0])


def _target(body: Body) -> Target:
    kind, task = body.get("kind", ""), body.get("task", "")
    if bool(kind) == bool(task):
        raise invalid({"kind": ["Name a kind, or instead a task."]})
    target = target_named(kind, task)
    if target is None:
        name = "kind" if kind else "task"
        raise invalid({name: [f"No {name} {(kind or task)[:80]!r} is known here."]})
    return target


def _find(request: HttpRequest, pk: int) -> Schedule:
    found = visible_to(request.user).filter(pk=pk).first() if pk < 2**63 else None
    if found is None:
        raise Problem(404, f"No schedule {str(pk)[:40]}.")
    return found


def _operators_only(request: HttpRequest) -> None:
    if not is_operator(request.user):
        raise Problem(403, "Only operators make and change schedules.")
