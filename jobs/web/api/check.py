"""Checking a request's top-level fields against the JSON Schema that its call publishes, with texts for people."""

from typing import Any

from jobs.core.errors import unknown
from jobs.core.moment import moment

_WORDS = {
    "string": "text",
    "object": "an object",
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
}
_TYPES: dict[str, Any] = {"string": str, "object": dict, "array": list, "boolean": bool, "integer": int}


def check_object(values: dict[str, Any], schema: dict[str, Any]) -> dict[str, list[str]]:
    """{field: [texts]} of what is unknown, missing or wrong; replaces date-times by datetime objects."""
    known = schema["properties"]
    hint = ' Parameters of the kind go into "params".' if "params" in known else ""
    text = f"Unknown field. This call takes: {', '.join(known) or 'none'}.{hint}"
    errors = unknown([name for name in values if name not in known], text)
    for name in schema.get("required", []):
        if values.get(name) is None:
            errors[name] = ["This field is required."]
    for name, rule in known.items():
        if values.get(name) is not None and name not in errors:
            try:
                values[name] = _checked(values[name], rule)
            except ValueError as error:
                errors[name] = [str(error)]
    return errors


def _checked(value: Any, rule: dict[str, Any]) -> Any:
    expected: str = rule["type"]
    if not isinstance(value, _TYPES[expected]) or (expected == "integer" and isinstance(value, bool)):
        raise ValueError(f"Expected {_WORDS[expected]}.")
    if "enum" in rule and value not in rule["enum"]:
        raise ValueError(f"{value[:80]!r} is none: expected {', '.join(rule['enum'])}.")
    if expected in ("string", "array"):
        _check_length(value, rule, "characters" if expected == "string" else "items")
    if expected == "array" and rule["items"].get("type") == "object":
        _check_items(value)
    return moment(value) if rule.get("format") == "date-time" else value


def _check_length(value: str | list[Any], rule: dict[str, Any], unit: str) -> None:
    least, most = rule.get("minLength", rule.get("minItems", 0)), rule.get("maxLength", rule.get("maxItems"))
    if len(value) < least:
        raise ValueError(f"Expected at least {least} {unit}.")
    if most is not None and len(value) > most:
        raise ValueError(f"{len(value):,} {unit}: at most {most:,} are taken.")


def _check_items(items: list[Any]) -> None:
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise ValueError(f"Item {index} must be an object of parameters.")
