"""GET events: served by the ASGI edge (jobs.web.live.sse); declared here, so that it is documented with the rest."""

from django.http import HttpRequest, HttpResponseBase

from jobs.web.api.endpoint import Answer, endpoint
from jobs.web.api.problem import Problem


@endpoint(
    "GET", "events", name="api-events", scope="read",
    query={"job": {"type": "string", "maxLength": 255, "description": "Only this job's events."}},
    headers={"Last-Event-ID": {"type": "string", "maxLength": 40, "description": "Go on after this event."}},
    answers={200: Answer("Server-sent events.", {"type": "string"}, "text/event-stream")},
    example="events --no-buffer",
)  # fmt: skip
def stream_events(request: HttpRequest) -> HttpResponseBase:
    """Follow what happens to jobs, as server-sent events.

    Each says `id`, `state` and `progress` of a job. `reset` means that some were missed: read the jobs anew.
    """
    raise Problem(503, "This server cannot stream: poll GET jobs/ID with If-None-Match instead.")
