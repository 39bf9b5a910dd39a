"""POST jobs, jobs/bulk and jobs/ID/rerun: from a checked body to jobs.submit."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.http import HttpRequest, JsonResponse

from jobs import submit as door
from jobs.browse.represent import address
from jobs.core import priorities
from jobs.core.errors import Refused, RefusedTerms
from jobs.core.fields import UploadField
from jobs.core.kind import Kind
from jobs.core.registry import get_kind
from jobs.foreign.task import task_named
from jobs.models import Job
from jobs.submit.submission import Draft
from jobs.submit.submit import MAX_BULK, draft
from jobs.web.api import tasks
from jobs.web.api.body import Body
from jobs.web.api.endpoint import Answer, endpoint, ok
from jobs.web.api.job import job_answer, new_job_answer
from jobs.web.api.lookup import find_job
from jobs.web.api.problem import invalid
from jobs.web.api.shapes import ref

_OPTIONS: dict[str, Any] = {
    "priority": {"type": "string", "enum": list(priorities.BY_NAME), "description": "Default: normal."},
    "due_at": {
        "type": "string",
        "format": "date-time",
        "description": "Earliest start. Default: at once.",
    },
    "label": {"type": "string", "maxLength": 200, "description": "Title for people. Default: made by the kind."},
    "queue": {"type": "string", "maxLength": 100, "description": "Another queue of the kind's pool."},
}
_KIND = {"type": "string", "maxLength": 100, "description": "Slug of the kind: see GET kinds."}
_PARAMS = {"type": "object", "description": "Parameters by name: see GET kinds/SLUG."}

SUBMISSION = {
    "type": "object",
    "properties": {"kind": _KIND, "params": _PARAMS, **tasks.FIELDS, **_OPTIONS},
    "oneOf": [{"required": ["kind"]}, {"required": ["task"]}],
    "additionalProperties": False,
}
BULK = {
    "type": "object",
    "required": ["kind", "items"],
    "properties": {
        "kind": _KIND,
        "items": {
            "type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": MAX_BULK,
            "description": "Parameters of each job.",
        },
        **_OPTIONS,
    },
    "additionalProperties": False,
}  # fmt: skip
_ONLY = {
    "type": "string", "maxLength": 40,
    "description": "Only one of the kind's `parts` of an ended job. Of a mailing: `unsent`, or `unknown`, who may have "
    "got it. Asked again it answers the same job.",
}  # fmt: skip
RERUN = {
    "type": "object", "properties": {"params": _PARAMS, "only": _ONLY, **_OPTIONS}, "additionalProperties": False
}  # fmt: skip

KEY = {
    "type": "string", "minLength": 1, "maxLength": 255,
    "description": "The same key with the same body answers the job that it made: safe to send again.",
}  # fmt: skip
_ACCEPTED = Answer("Accepted: the job is stored and will end.", ref("Job"), headers={"Location": "Address of the job."})


@endpoint(
    "POST", "jobs", name="api-jobs", scope="write", body=SUBMISSION, takes_files=True,
    headers={"Idempotency-Key": KEY}, answers={202: _ACCEPTED}, problems=(409, 429),
    example="""jobs --json '{"kind": "report", "params": {"source": "jobs"}}'""",
)  # fmt: skip
def submit_job(request: HttpRequest, body: Body) -> JsonResponse:
    """Submit a job.

    JSON, or multipart where files come along: each file under its field's name, the parameters as JSON text in
    `params` or as parts of their own. Bad parameters are named `params.NAME`.
    Instead of a kind, operators may name any Celery task of the installed apps, with `args` and `kwargs` as JSON.
    """
    key = key_of(request)
    if body.get("task") is not None:
        return accepted(tasks.submit_named(request, body, key), known=key is not None)
    kind = _kind_of(body)
    _known_files(get_kind(kind), body)
    with _named("params"):
        job = door.submit(
            kind, body.get("params", {}), files=body.files, user=request.user, via="api", idempotency_key=key,
            **_terms(body),
        )  # fmt: skip
    return accepted(job, known=key is not None)


def draft_job(request: HttpRequest, body: Body) -> Draft:
    """What `submit_job` would store of a kind's job that comes without files and key."""
    with _named("params"):
        return draft(_kind_of(body), body.get("params", {}), user=request.user, via="api", **_terms(body))


@endpoint(
    "POST", "jobs/bulk", name="api-jobs-bulk", scope="write", body=BULK, problems=(429,),
    answers={202: Answer("All accepted.", ref("Accepted"))},
    example="""jobs/bulk --json '{"kind": "email", "items": [{"to": "a@example.org"}, {"to": "b@example.org"}]}'""",
)  # fmt: skip
def submit_bulk(request: HttpRequest, body: Body) -> JsonResponse:
    """Submit up to 10,000 jobs of one kind, all or none.

    Bad parameters are named `items[3].NAME`, counted from 0; at most 200 of them are told at a time.
    """
    made = door.submit_many(body.get("kind"), body.get("items"), user=request.user, via="api", **_terms(body))
    return ok({"ids": [job.id for job in made], "count": len(made)}, 202)


@endpoint(
    "POST", "jobs/{id}/rerun", name="api-job-rerun", scope="write", body=RERUN, takes_files=True,
    headers={"Idempotency-Key": KEY}, answers={202: _ACCEPTED}, problems=(409, 429),
    example="""jobs/ID/rerun --json '{"params": {"width": 640}}'""",
)  # fmt: skip
def rerun_job(request: HttpRequest, body: Body, id: str) -> JsonResponse:
    """Run a job's parameters again as a new job.

    `params` are laid over the old ones; files that are not sent anew are taken from the old job.
    Of a Celery task that is no kind, `params` are arguments by name.
    """
    old = find_job(request, id)
    kind, key = old.kind_class, key_of(request)
    if not old.is_kind:
        tasks.operators_only(request)
    if kind is None and (old.is_kind or task_named(old.kind) is None):
        raise invalid({"kind": [f"{old.kind} is nothing that can be submitted here."]})
    _known_files(kind, body)
    if part := body.get("only"):
        return accepted(_rerun_part(request, old, part, body), known=True)
    with _named("params"):
        job = door.rerun(
            old, request.user, body.get("params", {}), body.files, via="api", idempotency_key=key, **_terms(body)
        )
    return accepted(job, known=key is not None)


def _rerun_part(request: HttpRequest, old: Job, part: str, body: Body) -> Job:
    if old.kind_class is None or part not in old.kind_class.parts:
        known = ", ".join(old.kind_class.parts) if old.kind_class else ""
        raise invalid({"only": [f"{str(part)[:80]!r} is no part of such a job. There are: {known or 'none'}."]})
    if body.files:
        raise invalid({"only": ["Files cannot come along: those of the job are taken."]})
    with _named("params"):
        return door.rerun_part(old, part, request.user, body.get("params", {}), via="api", **_terms(body))


def accepted(job: Job, *, known: bool) -> JsonResponse:
    """known: the job may be an earlier one, which has gone on meanwhile."""
    response = job_answer(job, 202) if known else new_job_answer(job)
    response.headers["Location"] = address(job)
    return response


def _kind_of(body: Body) -> str:
    if body.get("kind") is None:
        raise invalid({"kind": ["This field is required, or `task` instead."]})
    if wrong := [name for name in ("args", "kwargs") if name in body.values]:
        raise invalid({name: ["Goes with `task`; the parameters of a kind go into `params`."] for name in wrong})
    return str(body.get("kind"))


def _terms(body: Body) -> dict[str, Any]:
    """What was said beside the parameters; what was not said keeps the default of whoever is asked."""
    said = {name: body.get(name) for name in ("priority", "due_at", "queue")} | {"title": body.get("label")}
    return {name: value for name, value in said.items() if value is not None}


def key_of(request: HttpRequest) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not (0 < len(key) <= 255 and key.isascii() and key.isprintable()):
        raise invalid({"Idempotency-Key": ["Expected 1 to 255 printable ASCII characters."]})
    return key


def _known_files(kind: type[Kind] | None, body: Body) -> None:
    if not body.files:
        return
    fields = kind.Form().fields if kind else {}
    takes = [name for name, field in fields.items() if isinstance(field, UploadField)]
    if unknown := [name for name in body.files if name not in takes]:
        text = f"Not a file field. {kind.label if kind else 'A task'} takes files as: {', '.join(takes) or 'none'}."
        raise invalid({f"params.{name[:100]}": [text] for name in unknown})


@contextmanager
def _named(prefix: str) -> Iterator[None]:
    """The form's errors under the names that the sender used: "params.width", "params" for the form as a whole."""
    try:
        yield
    except RefusedTerms:
        raise
    except Refused as refused:
        raise invalid(
            {prefix if name == "__all__" else f"{prefix}.{name}": texts for name, texts in refused.errors.items()}
        ) from refused
