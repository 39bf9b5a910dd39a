"""GET kinds, kinds/SLUG: what can be submitted, and with which parameters."""

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import reverse

from jobs.core.access import may_submit
from jobs.core.kind import Kind
from jobs.core.registry import get_kind, kinds_for
from jobs.web.api.endpoint import Answer, endpoint, ok
from jobs.web.api.problem import Problem
from jobs.web.api.schema import schema_of
from jobs.web.api.shapes import listed, ref


def kind_json(kind: type[Kind]) -> dict[str, Any]:
    return {
        "kind": kind.slug,
        "label": kind.label,
        "description": kind.summary(),
        "pool": kind.pool,
        "time_limit": kind.time_limit,
        "max_attempts": kind.retry.attempts,
        "idempotent": kind.idempotent,
        "pausable": kind.pausable,
        "parts": list(kind.parts),
        "links": {"self": reverse("api-kind", args=[kind.slug]), "submit": reverse("api-jobs")},
    }


def kind_with_schema(kind: type[Kind]) -> dict[str, Any]:
    return {**kind_json(kind), "schema": schema_of(kind)}


@endpoint(
    "GET", "kinds", name="api-kinds", scope="read",
    answers={200: Answer("Every kind of job, without its schema.", listed("Kind"))},
    example="kinds",
)  # fmt: skip
def list_kinds(request: HttpRequest) -> JsonResponse:
    """List the kinds of job."""
    return ok({"items": [kind_json(kind) for kind in kinds_for(request.user)], "next": None})


@endpoint(
    "GET", "kinds/{slug}", name="api-kind", scope="read",
    answers={200: Answer("The kind, with the JSON Schema of its parameters.", ref("KindWithSchema"))},
    example="kinds/image",
)  # fmt: skip
def get_kind_schema(request: HttpRequest, slug: str) -> JsonResponse:
    """Show a kind and the JSON Schema of its parameters.

    The schema is made from the form that validates every submission. What is not given takes its default.
    """
    kind = get_kind(slug)
    if kind is None or not may_submit(request.user, kind):
        known = ", ".join(one.slug for one in kinds_for(request.user))
        raise Problem(404, f"No kind {slug[:80]!r}. There are: {known}.")
    return ok(kind_with_schema(kind))
