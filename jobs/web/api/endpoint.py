"""Declaring a call of the API: one decorator that serves, guards and documents it.

The table `CALLS` is what urls.py serves, and what openapi.py and the docs page describe: neither can go stale.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.core.exceptions import RequestDataTooBig
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.utils.cache import patch_vary_headers
from django.views.decorators.csrf import csrf_exempt

from jobs.core.outcome import from_json
from jobs.web.api.auth import authenticate
from jobs.web.api.body import Body, read_body
from jobs.web.api.problem import Problem, invalid, problem_of

PREFIX = "/api/v1/"
Handler = Callable[..., HttpResponseBase]
H = TypeVar("H", bound=Handler)
R = TypeVar("R", bound=HttpResponseBase)


@dataclass(frozen=True)
class Answer:
    """A good answer. schema: JSON Schema of the body, None: no JSON; headers: {name: what it says}."""

    text: str
    schema: dict[str, Any] | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """One method of one path. path: as OpenAPI writes it, below PREFIX; scope None: open to everybody."""

    method: str
    path: str
    name: str
    scope: str | None
    handler: Handler
    answers: Mapping[int, Answer]
    #: {name: JSON Schema with "description"}
    query: Mapping[str, dict[str, Any]]
    headers: Mapping[str, dict[str, Any]]
    body: dict[str, Any] | None
    takes_files: bool
    #: Statuses of `problem.PROBLEMS` beyond those that follow from the above.
    problems: tuple[int, ...]
    #: An example for `curl`, from the path on; {…} is filled in by the reader.
    example: str

    @property
    def summary(self) -> str:
        return inspect.cleandoc(self.handler.__doc__ or "").splitlines()[0].rstrip(".")

    @property
    def description(self) -> str:
        return inspect.cleandoc(self.handler.__doc__ or "").partition("\n")[2].strip()

    @property
    def url(self) -> str:
        return PREFIX + self.path


CALLS: list[Call] = []


def endpoint(
    method: str,
    path: str,
    *,
    name: str,
    scope: str | None,
    answers: Mapping[int, Answer],
    query: Mapping[str, dict[str, Any]] | None = None,
    headers: Mapping[str, dict[str, Any]] | None = None,
    body: dict[str, Any] | None = None,
    takes_files: bool = False,
    problems: tuple[int, ...] = (),
    example: str = "",
) -> Callable[[H], H]:
    """Register a handler(request, [body,] **path arguments) under `name` for reverse().

    The handler's docstring documents the call: its first line as title. It is called with the caller in
    `request.user`, and with a checked `Body` where `body` (JSON Schema of an object) is given.
    """

    def register(handler: H) -> H:
        more = (query or {}, headers or {}, body, takes_files, problems, example)
        CALLS.append(Call(method, path, name, scope, handler, answers, *more))
        return handler

    return register


def view_of(calls: list[Call]) -> Callable[..., HttpResponseBase]:
    """The Django view that serves all calls of one path."""
    by_method = {call.method: call for call in calls}
    allowed = ", ".join(sorted({*by_method, *(["HEAD"] if "GET" in by_method else []), "OPTIONS"}))

    @csrf_exempt  # auth.py enforces it for sessions; a bearer token cannot be sent by another site's page
    @functools.wraps(calls[0].handler, assigned=("__module__", "__name__"), updated=())
    def view(request: HttpRequest, **arguments: str) -> HttpResponseBase:
        method = "GET" if request.method == "HEAD" else str(request.method)
        if method == "OPTIONS":
            return HttpResponse(status=204, headers={"Allow": allowed})
        try:
            if method not in by_method:
                raise Problem(405, f"{method[:20]} is not taken here: use {allowed}.", headers={"Allow": allowed})
            call = by_method[method]
            response = call.handler(request, *checked(call, request), **arguments)
        except Exception as error:
            response = problem_of(error).response()
        return finish(response)

    return view


def checked(call: Call, request: HttpRequest) -> list[Body]:
    """Who calls is known, and may; [the body] where the call takes one. Raises Problem."""
    if call.scope is not None:
        authenticate(request, call.scope)
    _check_query(call, request)
    if call.body is None:
        return []
    if (length := request.META.get("CONTENT_LENGTH")) and not str(length).isdecimal():
        raise RequestDataTooBig
    return [read_body(request, call.body, takes_files=call.takes_files)]


def _check_query(call: Call, request: HttpRequest) -> None:
    unknown = [name for name in request.GET if name not in call.query]
    if unknown:
        takes = f"This call takes: {', '.join(call.query)}." if call.query else "This call takes none."
        raise invalid({name[:100]: [f"Unknown query parameter. {takes}"] for name in unknown[:50]})


def finish(response: R) -> R:
    """Headers of every answer: nobody between may keep it, and it depends on who asks."""
    response.headers.setdefault("Cache-Control", "private, no-cache")
    patch_vary_headers(response, ("Authorization", "Cookie"))
    return response


@csrf_exempt  # else a POST is told of a missing token, in HTML, where nothing takes a POST
def not_found(request: HttpRequest) -> HttpResponseBase:
    """The catch-all below /api/: a problem, not a page."""
    response = Problem(404, f"No call {request.path[:200]}. They are listed at {PREFIX}docs.").response()
    return finish(response)


class _Encoder(DjangoJSONEncoder):
    """JSON that every reader takes, whatever rows hold that other programs wrote."""

    def encode(self, o: Any) -> str:
        self.allow_nan = False
        try:
            text = super().encode(o)
        except ValueError:
            self.allow_nan = True
            text = super().encode(from_json(super().encode(o)))
        return text if text.isascii() else text.encode("utf-8", "replace").decode()


def ok(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> JsonResponse:
    told = dict(headers or {})
    return JsonResponse(data, _Encoder, status=status, headers=told, json_dumps_params={"ensure_ascii": False})
