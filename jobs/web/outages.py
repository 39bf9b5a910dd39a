"""Pages that say what is wrong when nothing can be shown: no database, a full disk, a host name that is not ours."""

import sys
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.template.loader import render_to_string
from django.views import defaults

from jobs.core.outage import Outage, outage_of
from jobs.web.api.problem import Problem, problem_of

OUT_OF_ORDER = "This is out of order at the moment"
_HEADINGS = {413: "This is too large", 507: "There is no room to store this"}
WRONG_HOST = "This host name is not in ALLOWED_HOSTS"


def page(heading: str, text: str, status: int) -> HttpResponse:
    """A page that needs nothing: no database, no session, no static files."""
    return HttpResponse(render_to_string("jobs/outage.html", {"heading": heading, "text": text}), status=status)


def wrong_host(name: str) -> HttpResponse:
    text = (
        f"The request came to {name[:100]!r}. Whoever runs this server adds that name to ALLOWED_HOSTS, or opens the "
        "site under the one that BASE_URL has."
    )
    return page(WRONG_HOST, text, 400)


def refusal(path: str, problem: Problem) -> HttpResponse:
    """The problem as whoever asked for the path reads it: a page for people, JSON for programs."""
    if is_api(path) or path == "/metrics":
        return problem.response()
    if problem.status == 500:
        return defaults.server_error(HttpRequest())
    response = page(_HEADINGS.get(problem.status, OUT_OF_ORDER), problem.detail, problem.status)
    for name, value in problem.headers.items():
        response.headers[name] = value
    return response


def answer_of(outage: Outage) -> HttpResponse:
    response = page(_HEADINGS.get(outage.status, OUT_OF_ORDER), outage.text, outage.status)
    response.headers["Retry-After"] = str(outage.retry_after)
    return response


def is_api(path: str) -> bool:
    return path.startswith("/api/")


class Outages:
    """Answers a page's outage as what it is. The API does so by itself (api/problem.py)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        outage = None if settings.DEBUG else outage_of(error)
        return answer_of(outage) if outage else None


def server_error(request: HttpRequest) -> HttpResponseBase:
    """`handler500`: also where it was no view that failed, but what stands before it, such as a session's store."""
    error = sys.exc_info()[1]
    if isinstance(error, Exception) and is_api(request.path):
        return problem_of(error).response()
    outage = outage_of(error) if error else None
    return answer_of(outage) if outage else defaults.server_error(request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """`handler400`."""
    if not isinstance(exception, DisallowedHost):
        return defaults.bad_request(request, exception)
    if is_api(request.path):
        return Problem(400, f"{WRONG_HOST}.").response()
    return wrong_host(request.META.get("HTTP_HOST", ""))
