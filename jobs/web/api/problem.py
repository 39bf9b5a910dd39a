"""What the API says when it says no: application/problem+json (RFC 9457), naming the field that is wrong."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import (
    BadRequest,
    PermissionDenied,
    RequestDataTooBig,
    SuspiciousOperation,
    TooManyFieldsSent,
    TooManyFilesSent,
)
from django.http import Http404, JsonResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError

from jobs.core.errors import Conflict, OverQuota, PermanentError, Refused
from jobs.core.outage import Outage, outage_of

log = logging.getLogger(__name__)

#: Every status that the API refuses with, and when; the docs page and OpenAPI list them.
PROBLEMS = {
    400: "The request cannot be read: malformed JSON or form data.",
    401: "No token, or one that is wrong, expired or revoked.",
    403: "The token's scope or the user's rights do not cover this.",
    404: "Nothing here, or nothing of yours.",
    405: "The address does not take this method.",
    409: "The job's state does not allow it, or the Idempotency-Key came before with another body.",
    413: "The body is larger than allowed.",
    415: "The body is of a type that this call does not take.",
    422: "The input was refused; `errors` names every bad field.",
    429: "Too many unfinished jobs of one owner.",
    500: "A fault of Jobsite's own; it is in the log.",
    503: "The database is busy or away, or what else this needs; try again after Retry-After.",
    507: "The server's disk is full: nothing was stored.",
}


class Problem(Exception):
    """Answered as it is. errors: {field: [texts]}; members: further fields of the problem."""

    def __init__(
        self,
        status: int,
        detail: str,
        errors: Mapping[str, list[str]] | None = None,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ):
        self.status, self.detail, self.errors = status, detail, dict(errors or {})
        self.headers, self.members = dict(headers or {}), members
        super().__init__(detail)

    def response(self) -> JsonResponse:
        body = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            **({"errors": self.errors} if self.errors else {}),
            **self.members,
        }
        return JsonResponse(body, status=self.status, headers=self.headers, content_type="application/problem+json")


def invalid(errors: Mapping[str, list[str]]) -> Problem:
    """422 with every bad field."""
    fields = ", ".join(list(errors)[:5])
    more = f" and {len(errors) - 5} more" if len(errors) > 5 else ""
    return Problem(422, f"Refused: see {fields}{more}.", errors)


def problem_of(error: Exception) -> Problem:
    """The problem behind any exception that a call may raise; an unforeseen one is logged and told as 500."""
    match error:
        case Problem():
            return error
        case Refused():
            return invalid(error.errors)
        case Conflict():
            members: dict[str, Any] = {"state": error.state} if error.state else {}
            return Problem(409, str(error), **members)
        case OverQuota():
            return Problem(429, str(error), headers={"Retry-After": "30"})
        case PermanentError():
            return Problem(422, str(error))
        case RequestDataTooBig():
            return Problem(413, "The body is too large: at most 20 MB are taken beside files.")
        case TooManyFieldsSent() | TooManyFilesSent():
            fields, files = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS, settings.DATA_UPLOAD_MAX_NUMBER_FILES
            return Problem(413, f"Too many in one request: at most {fields:,} fields and {files:,} files are taken.")
        case UnreadablePostError() if outage := outage_of(error):  # a body that could not be put down
            return _out_of_order(error, outage)
        case MultiPartParserError() | UnreadablePostError() | BadRequest() | SuspiciousOperation():
            return Problem(400, f"The request cannot be read: {error}")
        case Http404():
            return Problem(404, str(error) or "Nothing here.")
        case PermissionDenied():
            return Problem(403, str(error) or "You may not do this.")
    if outage := outage_of(error):
        return _out_of_order(error, outage)
    log.error("unforeseen error in the API", exc_info=error)
    return Problem(500, "Something went wrong here; it has been logged.")


def _out_of_order(error: Exception, outage: Outage) -> Problem:
    log.warning("answered %d: %s", outage.status, " ".join(str(error).split()))
    return Problem(outage.status, outage.text, headers={"Retry-After": str(outage.retry_after)})
