"""GET jobs/ID, and what can be done with one job: cancel, pause, resume, retry."""

import hashlib
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse

from jobs import submit as door
from jobs.browse import detail
from jobs.models import Job
from jobs.web.api.body import Body
from jobs.web.api.endpoint import Answer, endpoint, ok
from jobs.web.api.lookup import find_job
from jobs.web.api.shapes import ref

#: [s] after which a moving job is worth asking for again.
POLL_AFTER = 1

_MOVING = {"Retry-After": "Seconds to wait before asking again; absent once the job is final."}
_NOTHING: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}


def job_answer(job: Job, status: int) -> JsonResponse:
    """A job as SQL and Redis have it now."""
    return _answer(job, detail.as_json(detail.see(job)), status)


def new_job_answer(job: Job) -> JsonResponse:
    """A job that was stored a moment ago: what Redis has of it, the row says."""
    return _answer(job, detail.as_json(detail.Seen(job, None)), 202)


def _answer(job: Job, shape: dict[str, Any], status: int) -> JsonResponse:
    response = ok(shape, status)
    if not job.is_final:
        response.headers["Retry-After"] = str(POLL_AFTER)
    return response


@endpoint(
    "GET", "jobs/{id}", name="api-job", scope="read",
    query={
        "wait": {
            "type": "number", "minimum": 0, "maximum": 60,
            "description": "Seconds to hold the answer until the ETag differs from If-None-Match; without that, and by "
            "a server without the streaming edge, it is given at once.",
        }
    },
    headers={"If-None-Match": {"type": "string", "description": "The ETag of this call's answer before."}},
    answers={
        200: Answer("The job.", ref("Job"), headers={"ETag": "Changes with the job.", **_MOVING}),
        304: Answer("Unchanged since If-None-Match.", headers={"ETag": "As sent.", **_MOVING}),
    },
    example="'jobs/ID?wait=30' --header 'If-None-Match: ETAG'",
)  # fmt: skip
def get_job(request: HttpRequest, id: str) -> HttpResponseBase:
    """Show a job: state, progress, result or error, times.

    Poll with `If-None-Match`, and let `wait` hold the answer until something has changed.
    """
    response = job_answer(find_job(request, id), 200)
    # For servers without the edge, which has a tag of its own (live/poll.py): no answer that both may meet has one.
    response.headers["ETag"] = f'"{hashlib.sha256(response.content).hexdigest()[:24]}"'
    if not _matches(request.headers.get("If-None-Match", ""), response.headers["ETag"]):
        return response
    unchanged = HttpResponse(status=304)
    for name in ("ETag", "Retry-After"):
        if name in response.headers:
            unchanged.headers[name] = response.headers[name]
    return unchanged


def _matches(header: str, etag: str) -> bool:
    known = {part.strip().removeprefix("W/") for part in header.split(",")}
    return etag in known or "*" in known


@endpoint(
    "POST", "jobs/{id}/cancel", name="api-job-cancel", scope="write", body=_NOTHING, problems=(409,),
    answers={202: Answer("The wish is stored.", ref("Job"), headers=_MOVING)},
    example="jobs/ID/cancel --request POST",
)  # fmt: skip
def cancel_job(request: HttpRequest, body: Body, id: str) -> JsonResponse:
    """Cancel a job.

    A waiting job is REVOKED at once. A running one shows `cancelling` until its worker confirms.
    """
    return job_answer(door.cancel(find_job(request, id), request.user, via="api"), 202)


@endpoint(
    "POST", "jobs/{id}/pause", name="api-job-pause", scope="write", body=_NOTHING, problems=(409, 503),
    answers={202: Answer("The wish is stored.", ref("Job"), headers=_MOVING)},
    example="jobs/ID/pause --request POST",
)  # fmt: skip
def pause_job(request: HttpRequest, body: Body, id: str) -> JsonResponse:
    """Pause a running job whose kind is `pausable`.

    It stands still at its next step, and `progress.step` says `paused`. It keeps its worker, and can be cancelled.
    """
    return job_answer(door.pause(find_job(request, id), request.user, via="api"), 202)


@endpoint(
    "POST", "jobs/{id}/resume", name="api-job-resume", scope="write", body=_NOTHING, problems=(409, 503),
    answers={202: Answer("The wish is stored.", ref("Job"), headers=_MOVING)},
    example="jobs/ID/resume --request POST",
)  # fmt: skip
def resume_job(request: HttpRequest, body: Body, id: str) -> JsonResponse:
    """Let a paused job go on where it was."""
    return job_answer(door.resume(find_job(request, id), request.user, via="api"), 202)


@endpoint(
    "POST", "jobs/{id}/retry", name="api-job-retry", scope="write", body=_NOTHING, problems=(409,),
    answers={202: Answer("Accepted as one attempt more.", ref("Job"), headers=_MOVING)},
    example="jobs/ID/retry --request POST",
)  # fmt: skip
def retry_job(request: HttpRequest, body: Body, id: str) -> JsonResponse:
    """Run a failed or cancelled job again, as a further attempt of the same job."""
    return job_answer(door.retry(find_job(request, id), request.user, via="api"), 202)
