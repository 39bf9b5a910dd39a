"""GET jobs: keyset pages of the jobs that a filter finds."""

from typing import Any

from django.http import HttpRequest, JsonResponse

from jobs.browse import page as pages
from jobs.browse.filters import JobFilter
from jobs.browse.live import overlay
from jobs.browse.represent import iso, job_json
from jobs.web.api.endpoint import Answer, endpoint, ok
from jobs.web.api.problem import invalid
from jobs.web.api.query import LIMIT, whole_number
from jobs.web.api.shapes import ref

_MEANING = {
    "state": "A state (SUCCESS) or the word that people are shown (succeeded, scheduled, queued).",
    "kind": "Slug of the kind, or the name of a foreign task.",
    "queue": "Name of the queue.",
    "owner": "User name; others than operators see only their own jobs.",
    "q": 'Words of title, kind, owner and error, with qualifiers: `error:"timed out" news*`.',
    "since": "Accepted after: 2h, 3d, 2026-11-21 or 2026-11-21T14:00Z.",
    "until": "Accepted before, written as `since`; of a date, all of it counts.",
}
_FIELDS: dict[str, Any] = JobFilter.base_fields
_QUERY: dict[str, dict[str, Any]] = {
    **{
        name: {"type": "string", "maxLength": field.max_length, "description": _MEANING[name]}
        for name, field in _FIELDS.items()
    },
    "cursor": {"type": "string", "maxLength": 200, "description": "`next` of the page before."},
    "limit": {**LIMIT, "default": pages.LIMIT, "maximum": pages.MOST},
}


@endpoint(
    "GET", "jobs", name="api-jobs", scope="read", query=_QUERY,
    answers={200: Answer("A page of jobs, the newest first.", ref("JobPage"))},
    example="'jobs?state=failed&since=2h'",
)  # fmt: skip
def list_jobs(request: HttpRequest) -> JsonResponse:
    """List jobs, newest first.

    `searched_back_to` is set where a mix of filters stopped after a bounded search: `next` goes on from there.
    """
    form = JobFilter(request.GET, viewer=request.user)
    if not form.is_valid():
        raise invalid({name: [str(text) for text in texts] for name, texts in form.errors.items()})
    cursor = request.GET.get("cursor", "")
    found = pages.page(form.query, cursor, whole_number(request, "limit", _QUERY["limit"]))
    live = overlay(found.jobs)
    return ok(
        {
            "items": [job_json(job, live.get(job)) for job in found.jobs],
            "next": found.next,
            "previous": found.previous,
            "searched_back_to": iso(found.searched_back_to),
        }
    )
