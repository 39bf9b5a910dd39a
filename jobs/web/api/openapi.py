"""GET openapi.json: OpenAPI 3.1, written from the table of calls."""

import re
from functools import cache
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, JsonResponse

from jobs.web.api.auth import SAFE_METHODS
from jobs.web.api.endpoint import CALLS, Answer, Call, endpoint, ok
from jobs.web.api.problem import PROBLEMS
from jobs.web.api.shapes import PATH_ARGUMENTS, SHAPES

VERSION = "1.0.0"


@endpoint(
    "GET", "openapi.json", name="api-openapi", scope=None,
    answers={200: Answer("The OpenAPI 3.1 document.", {"type": "object"})},
    example="openapi.json",
)  # fmt: skip
def get_openapi(request: HttpRequest) -> JsonResponse:
    """Describe this API as OpenAPI 3.1."""
    return ok(document())


@cache
def document() -> dict[str, Any]:
    """The whole document. The calls do not change while a process runs."""
    paths: dict[str, dict[str, Any]] = {}
    for call in CALLS:
        item = paths.setdefault(call.url, {})
        if arguments := re.findall(r"\{(\w+)\}", call.path):
            item["parameters"] = [_parameter(name, "path", PATH_ARGUMENTS[name], required=True) for name in arguments]
        item[call.method.lower()] = _operation(call)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Jobsite",
            "version": VERSION,
            "description": "Submit jobs, follow them and fetch what they made. Errors are application/problem+json.",
        },
        "servers": [{"url": "/", "description": "This site"}],
        "security": [{"token": []}, {"session": []}],
        "paths": paths,
        "components": {
            "schemas": SHAPES,
            "responses": {_problem_name(status): _problem(status, text) for status, text in PROBLEMS.items()},
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "A token from the page Tokens."},
                "session": {
                    "type": "apiKey", "in": "cookie", "name": "sessionid",
                    "description": "The browser's login; changes need the header X-CSRFToken as well.",
                },
            },
        },
    }  # fmt: skip


def _operation(call: Call) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": call.handler.__name__,
        "tags": [re.split(r"[/.]", call.path)[0]],
        "summary": call.summary,
        "parameters": [
            *(_parameter(name, "query", schema) for name, schema in call.query.items()),
            *(_parameter(name, "header", schema) for name, schema in call.headers.items()),
        ],
        "responses": {
            **{str(status): _answer(answer) for status, answer in call.answers.items()},
            **{
                str(status): {"$ref": f"#/components/responses/{_problem_name(status)}"} for status in problems_of(call)
            },
        },
    }
    if call.description:
        operation["description"] = call.description
    if call.scope is None:
        operation["security"] = []
    else:
        operation["x-scope"] = call.scope
    if call.body is not None:
        operation["requestBody"] = _request_body(call)
    return operation


def problems_of(call: Call) -> list[int]:
    """Every status that this call may refuse with."""
    found = {422, 500, 503, 507, *call.problems}
    if call.scope is not None:
        found |= {401, 403}
    if "{" in call.path:
        found.add(404)
    if call.method not in SAFE_METHODS and call.body is not None:
        found |= {400, 413, 415}
    return sorted(found)


def _parameter(name: str, place: str, schema: dict[str, Any], *, required: bool = False) -> dict[str, Any]:
    plain = {key: value for key, value in schema.items() if key != "description"}
    return {
        "name": name, "in": place, "required": required,
        "description": schema.get("description", ""), "schema": plain,
    }  # fmt: skip


def _answer(answer: Answer) -> dict[str, Any]:
    response: dict[str, Any] = {"description": answer.text}
    if answer.schema is not None:
        response["content"] = {answer.content_type: {"schema": answer.schema}}
    if answer.headers:
        response["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in answer.headers.items()
        }
    return response


def _request_body(call: Call) -> dict[str, Any]:
    assert call.body is not None
    content: dict[str, Any] = {"application/json": {"schema": call.body}}
    if call.takes_files:
        content["multipart/form-data"] = {"schema": _as_form(call.body)}
    return {"required": bool(call.body.get("required")), "content": content}


def _as_form(body: dict[str, Any]) -> dict[str, Any]:
    """The same fields as form parts: params as JSON text or as parts of their own, files by field name."""
    parts = {
        **body["properties"],
        "params": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": "Parameters as JSON text; or leave it out and send each parameter as a part of its own.",
        },
    }
    file_part = {"description": "A parameter as text, or the file of an upload field.", "type": "string"}
    return {
        "type": "object",
        "properties": parts,
        "required": body.get("required", []),
        "additionalProperties": file_part,
    }


def _problem_name(status: int) -> str:
    return "".join(word.capitalize() for word in re.findall(r"[a-z]+", HTTPStatus(status).phrase.lower()))


def _problem(status: int, text: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": text, "content": {"application/problem+json": {"schema": schema}}}
