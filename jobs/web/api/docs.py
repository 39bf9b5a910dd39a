"""GET docs: the calls for people, with curl examples, from the same table that serves them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from jobs.core.access import SCOPES
from jobs.web.api.endpoint import CALLS, PREFIX, Answer, Call, endpoint
from jobs.web.api.openapi import problems_of
from jobs.web.api.problem import PROBLEMS


@dataclass(frozen=True)
class Row:
    """One thing that a call takes."""

    name: str
    place: str
    type: str
    text: str
    required: bool = False


@endpoint(
    "GET", "docs", name="api-docs", scope=None,
    answers={200: Answer("This page.", {"type": "string"}, "text/html")},
    example="docs",
)  # fmt: skip
def show_docs(request: HttpRequest) -> HttpResponse:
    """Show this page."""
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    calls = [describe(call) for call in sorted(CALLS, key=_order) if call.handler is not show_docs]
    context = {"calls": calls, "problems": PROBLEMS, "scopes": SCOPES, "base": settings.BASE_URL + PREFIX}
    return render(request, "jobs/api_docs.html", context)


def _order(call: Call) -> tuple[int, str, int]:
    """Jobs first, each path with its methods together, what is done most before the rest."""
    topics = ("jobs", "kinds", "schedules", "events")
    topic = call.path.split("/")[0]
    first = topics.index(topic) if topic in topics else len(topics) + (call.scope is None)
    return first, call.path, ("POST", "GET").index(call.method) if call.path == "jobs" else 0


def _with_code(text: str) -> SafeString:
    """Words between backticks as <code>."""
    parts = text.split("`")
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", part) if index % 2 else part,) for index, part in enumerate(parts))
    )


def describe(call: Call) -> dict[str, Any]:
    """A call as the page shows it."""
    return {
        "call": call,
        "anchor": call.handler.__name__.replace("_", "-"),
        "description": _with_code(call.description),
        "takes": list(_takes(call)),
        "answers": [(status, answer.text, answer.content_type) for status, answer in call.answers.items()],
        "refusals": problems_of(call),
        "curl": curl(call),
    }


def curl(call: Call) -> str:
    """A command that can be pasted, once TOKEN and ID are put in."""
    address, quote, rest = _split(call.example or call.path)
    lines = [f"curl {quote}{settings.BASE_URL}{PREFIX}{address}{quote}"]
    if call.scope is not None:
        lines.append('--header "Authorization: Bearer $TOKEN"')
    return " \\\n  ".join([*lines, *([rest] if rest else [])])


def _split(example: str) -> tuple[str, str, str]:
    """(address, the quote around it, what follows)."""
    if example.startswith("'"):
        address, _, rest = example[1:].partition("'")
        return address, "'", rest.strip()
    address, _, rest = example.partition(" ")
    return address, "", rest.strip()


def _takes(call: Call) -> Iterator[Row]:
    for name, schema in call.query.items():
        yield _row(name, "query", schema)
    for name, schema in call.headers.items():
        yield _row(name, "header", schema)
    for name, schema in (call.body or {}).get("properties", {}).items():
        yield _row(name, "body", schema, name in (call.body or {}).get("required", []))
    if call.takes_files:
        yield Row("files", "multipart", "file", "Under the name of the kind's upload field.")


def _row(name: str, place: str, schema: dict[str, Any], required: bool = False) -> Row:
    kind = schema.get("type", "any")
    words = [schema.get("description", "")]
    if choices := schema.get("enum"):
        words.append(f"One of {', '.join(str(choice) for choice in choices)}.")
    if "default" in schema and schema["default"] not in ("", None):
        words.append(f"Default: {schema['default']}.")
    types = kind if isinstance(kind, str) else " or ".join(kind)
    return Row(name, place, types, _with_code(" ".join(filter(None, words))), required)
