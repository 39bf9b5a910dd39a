"""A result in short, and text that every database takes."""

import json
from typing import Any


def clean(text: Any) -> str:
    """Text that PostgreSQL takes: without NUL, and without halves of surrogate pairs."""
    return str(text or "").replace("\x00", "�").encode("utf-8", "replace").decode()


def json_safe(text: str) -> str:
    """JSON text without NaN and infinities, which Python writes and no other reader takes: they become texts."""
    if "NaN" not in text and "Infinity" not in text:
        return text
    return json.dumps(json.loads(text, parse_constant=str), ensure_ascii=False)


def outcome_of(result: str) -> str:
    """A result in short: its own `summary` where it has one, else its JSON."""
    try:
        value = json.loads(result) if result else None
    except ValueError:
        value = result
    if isinstance(value, dict) and isinstance(value.get("summary"), str):
        value = value["summary"]
    if value is None:
        return ""
    return clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))[:300]
