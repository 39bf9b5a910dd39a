"""The calls of workflows: list, submit, show, cancel, retry."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import reverse

from jobs.browse.represent import iso
from jobs.models import Workflow
from jobs.models.workflow import OnFailure
from jobs.web.api.accept import KEY, key_of
from jobs.web.api.body import Body
from jobs.web.api.endpoint import Answer, endpoint, ok
from jobs.web.api.problem import Problem
from jobs.web.api.query import LIMIT, whole_number
from jobs.web.api.shapes import listed, ref
from jobs.workflows import listing, steer
from jobs.workflows.build import submit_workflow
from jobs.workflows.outlook import Graph, Outlook, graph_of, outlooks
from jobs.workflows.spec import MAX_STEPS
from jobs.workflows.uploads import UPLOAD

_NODES = {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": MAX_STEPS}
_SPEC = {
    "chain": {**_NODES, "description": "Steps or further chains, groups, chords, one after the other."},
    "group": {**_NODES, "description": "Side by side."},
    "chord": {"type": "object", "description": '{"header": [side by side], "body": after all of them}'},
}
NEW = {
    "type": "object",
    "properties": {
        **_SPEC,
        "title": {"type": "string", "maxLength": 200, "description": "Title for people."},
        "on_failure": {"type": "string", "enum": OnFailure.values, "description": "When a step fails. Default: end."},
        "due_at": {"type": "string", "format": "date-time", "description": "Earliest start. Default: at once."},
        "params": {
            "type": "object",
            "description": f"As multipart: all of the above as JSON text, with {UPLOAD}NAME for each file that comes "
            "along under NAME.",
        },
    },
    "additionalProperties": False,
}
_NOTHING: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
_LIMIT = {**LIMIT, "default": 50, "maximum": 200}
_CURSOR = {"type": "string", "maxLength": 500, "description": "`next` of the page before."}
_WORKFLOW = Answer("The workflow and its jobs.", ref("Workflow"))
_MADE = Answer("Accepted.", ref("Workflow"), headers={"Location": "Address of the workflow."})


def workflow_json(outlook: Outlook, graph: Graph | None = None) -> dict[str, Any]:
    """graph: for one workflow alone; lists go without the jobs."""
    workflow = outlook.workflow
    return {
        "id": workflow.id,
        "title": workflow.title,
        "state": str(outlook.state),
        "owner": workflow.owner.get_username() if workflow.owner else None,
        "on_failure": None if workflow.is_canvas else workflow.on_failure,
        "is_canvas": workflow.is_canvas,
        "progress": {"current": outlook.ended, "total": outlook.total},
        "states": outlook.counts,
        "times": {"created": iso(workflow.created), "finished": iso(outlook.finished_at)},
        "jobs": _jobs(graph) if graph else None,
        "links": {"self": reverse("api-workflow", args=[workflow.id]), "page": workflow.get_absolute_url()},
    }


def _jobs(graph: Graph) -> list[dict[str, Any]]:
    ids = {job.pk: job.id for job in graph.jobs}
    return [
        {
            "id": job.id,
            "kind": job.kind,
            "title": job.title,
            "state": str(job.state),
            "shown": job.shown,
            "after": [ids[seq] for seq in graph.before.get(job.pk, ())],
            "error": {"type": job.error_type, "message": job.error} if job.error or job.error_type else None,
            "links": {"self": reverse("api-job", args=[job.id])},
        }
        for job in graph.jobs
    ]


@endpoint(
    "GET", "workflows", name="api-workflows", scope="read", query={"cursor": _CURSOR, "limit": _LIMIT},
    answers={200: Answer("A page of workflows, the newest first, without their jobs.", listed("Workflow"))},
    example="workflows",
)  # fmt: skip
def list_workflows(request: HttpRequest) -> JsonResponse:
    """List workflows, newest first: operators see all, others their own."""
    limit = whole_number(request, "limit", _LIMIT)
    found = listing.page(request.user, request.GET.get("cursor", ""), limit)
    return ok({"items": [workflow_json(each) for each in found.outlooks], "next": found.older or None})


@endpoint(
    "POST", "workflows", name="api-workflows", scope="write", body=NEW, takes_files=True,
    headers={"Idempotency-Key": KEY},
    answers={202: _MADE}, problems=(409, 429),
    example="""workflows --json '{"chain": [{"kind": "add", "params": {"x": 1, "y": 2}}, """
    """{"kind": "multiply", "params": {"x": "${result}", "y": 10}}]}'""",
)  # fmt: skip
def make_workflow(request: HttpRequest, body: Body) -> JsonResponse:
    """Submit a workflow: jobs tied by chain, group and chord.

    A step is `{"kind", "params"}` or, for operators, `{"task", "args", "kwargs", "immutable"}`, beside it `title`,
    `priority`, `queue`. In parameters `${result}` stands for what the step before returned (of several the list of
    all; `${result.sum}` for a part), `${files}` for the files that it made (`${files:*.pdf}`: some of them) and
    `${link}` for the address of its page. A step with `"each": "${files}"` becomes one job for each file, in which
    `${item}` stands for it; one with `"needs": "some"` runs although some of those before it have failed. A task gets
    the result before it as its first argument, unless it is immutable.
    Bad fields are named `chain[1].params.width`.
    """
    spec = body.get("params") or {name: value for name, value in body.values.items() if name != "params"}
    key = key_of(request)
    workflow = submit_workflow(spec, files=body.files, user=request.user, via="api", idempotency_key=key)
    return _answer(workflow, 202, {"Location": reverse("api-workflow", args=[workflow.id])})


@endpoint(
    "GET", "workflows/{workflow}", name="api-workflow", scope="read", answers={200: _WORKFLOW}, example="workflows/ID"
)  # fmt: skip
def get_workflow(request: HttpRequest, workflow: str) -> JsonResponse:
    """Show a workflow: its state, its jobs, and which of them waits for which."""
    return _answer(find_workflow(request, workflow))


@endpoint(
    "POST", "workflows/{workflow}/cancel", name="api-workflow-cancel", scope="write", body=_NOTHING, problems=(409,),
    answers={202: _WORKFLOW}, example="workflows/ID/cancel --request POST",
)  # fmt: skip
def cancel_workflow(request: HttpRequest, body: Body, workflow: str) -> JsonResponse:
    """Cancel all jobs of a workflow that have not ended."""
    found = find_workflow(request, workflow)
    steer.cancel(found, request.user, via="api")
    return _answer(found, 202)


@endpoint(
    "POST", "workflows/{workflow}/retry", name="api-workflow-retry", scope="write", body=_NOTHING, problems=(409,),
    answers={202: _WORKFLOW}, example="workflows/ID/retry --request POST",
)  # fmt: skip
def retry_workflow(request: HttpRequest, body: Body, workflow: str) -> JsonResponse:
    """Run what failed or was cancelled again, and after it what was skipped. What has succeeded stays."""
    found = find_workflow(request, workflow)
    steer.retry(found, request.user, via="api")
    return _answer(found, 202)


def find_workflow(request: HttpRequest, key: str) -> Workflow:
    """Raises Problem 404 where there is none, and just so where it is somebody else's."""
    workflow = listing.find(key, request.user) if "\0" not in key else None
    if workflow is None:
        raise Problem(404, f"No workflow {key[:80]!r}.")
    return workflow


def _answer(workflow: Workflow, status: int = 200, headers: Mapping[str, str] | None = None) -> JsonResponse:
    (outlook,) = outlooks([workflow])
    return ok(workflow_json(outlook, graph_of(workflow)), status, headers)
