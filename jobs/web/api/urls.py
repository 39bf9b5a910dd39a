"""The addresses of the API, from the table of its calls; everything else below /api/ is a problem+json 404."""

import re

from django.urls import include, path, re_path

from jobs.web import converters  # noqa: F401 - registers them
from jobs.web.api import (  # noqa: F401  each registers its calls
    accept,
    docs,
    events,
    fleet,
    history,
    job,
    jobs,
    kinds,
    openapi,
    schedules,
    tasks,
    workflows,
)
from jobs.web.api.endpoint import CALLS, PREFIX, Call, not_found, view_of

#: An id of a foreign task may be any string, a slash included.
_CONVERTERS = {
    "id": "any-id",
    "slug": "str",
    "artifact": "str",
    "schedule": "int",
    "name": "any-id",
    "task": "path",
    "workflow": "any-id",
}


def _paths() -> dict[str, list[Call]]:
    """Calls by path; fixed paths and longer ones first, so that jobs/bulk is no job and jobs/a/logs its log."""
    found: dict[str, list[Call]] = {}
    for call in sorted(CALLS, key=lambda call: (call.path.count("{"), -len(call.path))):
        found.setdefault(call.path, []).append(call)
    return dict(sorted(found.items(), key=lambda item: item[0].endswith("{id}")))


def _route(call: Call) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: f"<{_CONVERTERS[match[1]]}:{match[1]}>", call.path)


_calls = [path(_route(calls[0]), view_of(calls), name=calls[0].name) for calls in _paths().values()]
urlpatterns = [
    path(PREFIX.lstrip("/"), include(_calls)),
    re_path(r"^api(?:/[\s\S]*)?$", not_found, name="api-not-found"),
]
