"""GET jobs/ID/attempts, logs, artifacts and artifacts/ID: what happened, and what was made."""

from typing import Any

from django.http import FileResponse, HttpRequest, HttpResponseBase, JsonResponse
from django.urls import reverse

from jobs.browse import detail
from jobs.browse.represent import iso
from jobs.models import Artifact, Attempt, Job, LogLine
from jobs.submit.live import wait_for_record
from jobs.web.api.endpoint import Answer, endpoint, ok
from jobs.web.api.lookup import find_job
from jobs.web.api.problem import Problem
from jobs.web.api.query import LIMIT, whole_number
from jobs.web.api.shapes import listed

_ATTEMPT = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1, "description": "Only this attempt's lines."}
_CURSOR = {
    "type": "integer", "minimum": 0, "maximum": 2**63 - 1, "default": 0, "description": "`next` of the page before.",
}  # fmt: skip


def _recorded(request: HttpRequest, id: str) -> Job:
    """The job, as soon as SQL has the end that Redis tells of: who was told SUCCESS asks for the files next."""
    job = find_job(request, id)
    wait_for_record(job)
    return job


def attempt_json(attempt: Attempt) -> dict[str, Any]:
    failed = bool(attempt.error_type or attempt.error)
    return {
        "number": attempt.number,
        "state": str(attempt.state),
        "worker": attempt.worker,
        "pid": attempt.pid,
        "queued_at": iso(attempt.queued_at),
        "started_at": iso(attempt.started_at),
        "finished_at": iso(attempt.finished_at),
        "next_retry_at": iso(attempt.next_retry_at),
        "error": {"type": attempt.error_type, "message": attempt.error} if failed else None,
        "traceback": attempt.traceback or None,
        "memory": attempt.memory,
        "cpu_seconds": attempt.cpu_seconds,
    }


def artifact_json(artifact: Artifact, job_id: str) -> dict[str, Any]:
    return {
        "id": artifact.id,
        "name": artifact.name,
        "content_type": artifact.content_type,
        "size": artifact.size,
        "is_input": artifact.is_input,
        "attempt": artifact.attempt,
        "created": iso(artifact.created),
        "links": {"download": reverse("api-artifact", args=[job_id, artifact.id])},
    }


@endpoint(
    "GET", "jobs/{id}/attempts", name="api-attempts", scope="read",
    answers={200: Answer("Every attempt, the first one first.", listed("Attempt"))},
    example="jobs/ID/attempts",
)  # fmt: skip
def list_attempts(request: HttpRequest, id: str) -> JsonResponse:
    """List a job's attempts, each with its own error, traceback and times."""
    attempts = detail.attempts_of(detail.see(_recorded(request, id)))
    return ok({"items": [attempt_json(attempt) for attempt in reversed(attempts)], "next": None})


@endpoint(
    "GET", "jobs/{id}/logs", name="api-logs", scope="read",
    query={"attempt": _ATTEMPT, "cursor": _CURSOR, "limit": LIMIT},
    answers={200: Answer("Log lines, the oldest first.", listed("LogLine"))},
    example="'jobs/ID/logs?limit=200'",
)  # fmt: skip
def list_logs(request: HttpRequest, id: str) -> JsonResponse:
    """List what a job has logged.

    `next` is there whenever lines were answered: with it as `cursor`, later lines follow as the job writes them.
    """
    job = _recorded(request, id)
    lines = LogLine.objects.filter(job=job, pk__gt=whole_number(request, "cursor", _CURSOR))
    if "attempt" in request.GET:
        lines = lines.filter(attempt=whole_number(request, "attempt", _ATTEMPT))
    limit = whole_number(request, "limit", LIMIT)
    found = list(lines.order_by("pk")[:limit])
    items = [{"attempt": line.attempt, "at": iso(line.at), "text": line.text} for line in found]
    return ok({"items": items, "next": str(found[-1].pk) if found else None})


@endpoint(
    "GET", "jobs/{id}/artifacts", name="api-artifacts", scope="read",
    answers={200: Answer("Files that the job took in and made.", listed("Artifact"))},
    example="jobs/ID/artifacts",
)  # fmt: skip
def list_artifacts(request: HttpRequest, id: str) -> JsonResponse:
    """List a job's files."""
    job = _recorded(request, id)
    found = job.artifacts.order_by("created", "id")
    return ok({"items": [artifact_json(artifact, job.id) for artifact in found], "next": None})


@endpoint(
    "GET", "jobs/{id}/artifacts/{artifact}", name="api-artifact", scope="read",
    answers={
        200: Answer(
            "The file.", {"type": "string", "format": "binary"}, "application/octet-stream",
            {"Content-Disposition": "Its name."},
        )
    },
    example="jobs/ID/artifacts/FILE --remote-header-name --remote-name",
)  # fmt: skip
def download_artifact(request: HttpRequest, id: str, artifact: str) -> HttpResponseBase:
    """Download a file of a job."""
    job = _recorded(request, id)
    known = artifact[:33].replace("\0", "�")
    found = job.artifacts.filter(id=known).first()
    if found is None:
        raise Problem(404, f"Job {id[:80]!r} has no file {known[:33]!r}.")
    try:
        content = Artifact.storage().open(found.path)
    except FileNotFoundError as error:
        raise Problem(404, f"{found.name} is no longer stored.") from error
    response = FileResponse(
        content, as_attachment=True, filename=found.name, content_type=found.content_type or "application/octet-stream"
    )
    # What a submitter uploaded must never run as a page of this site.
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    return response
