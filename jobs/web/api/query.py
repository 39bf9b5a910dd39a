"""Reading query parameters."""

from typing import Any

from django.http import HttpRequest

from jobs.web.api.problem import invalid

LIMIT: dict[str, Any] = {
    "type": "integer", "minimum": 1, "maximum": 500, "default": 50, "description": "Items a page.",
}  # fmt: skip


def whole_number(request: HttpRequest, name: str, rule: dict[str, Any]) -> int:
    """The query parameter `name` within the rule's minimum and maximum, or its default. Raises Problem 422."""
    raw = request.GET.get(name, "").strip()
    if not raw and "default" in rule:
        return rule["default"]
    low, high = rule["minimum"], rule["maximum"]
    if raw.isascii() and raw.isdigit() and len(raw) <= 19 and low <= int(raw) <= high:
        return int(raw)
    raise invalid({name: [f"{raw[:40]!r} cannot be used: expected a whole number from {low} to {high:,}."]})
