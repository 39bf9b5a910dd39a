"""A result in short, and text that every database takes."""

import json
import math
from typing import Any

#: Characters of a result, error or traceback that SQL keeps; the rest of a result stays in its key in Redis.
MOST_TEXT = 64 * 1024


def cut(text: str) -> str:
    """At most MOST_TEXT characters: of a longer text the beginning and the end."""
    if len(text) <= MOST_TEXT:
        return text
    half = MOST_TEXT // 2
    return f"{text[:half]}\n… {len(text) - 2 * half:,} characters left out …\n{text[-half:]}"


def clean(text: Any) -> str:
    """Text that PostgreSQL takes: without NUL, and without halves of surrogate pairs."""
    return str(text or "").replace("\x00", "�").encode("utf-8", "replace").decode()


def json_safe(text: str) -> str:
    """JSON text without NaN and infinities, which Python writes and no other reader takes: they become texts."""
    if "NaN" not in text and "Infinity" not in text:
        return text
    return json.dumps(json.loads(text, parse_constant=str), ensure_ascii=False)


def json_text(value: Any) -> str:
    """JSON that every reader takes, of values that may hold NaN and infinities: those become texts."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(json.loads(json.dumps(value), parse_constant=str))


def from_json(text: str) -> Any:
    """A value that every reader of JSON and every database's JSON columns take, of any that Python reads as JSON.

    NaN and infinities become texts; NUL and halves of surrogate pairs are replaced. Raises ValueError, RecursionError.
    """
    value = json.loads(text, parse_constant=str, parse_float=_finite)
    escapes = text.lower()
    return _clean_within(value) if "\\u0000" in escapes or "\\ud" in escapes else value


def storable(value: Any) -> Any:
    """What Celery code handed over, as JSON columns take it."""
    return from_json(json.dumps(value, default=str))


def _finite(text: str) -> float | str:
    """A number; one like 1e400, of which Python makes an infinity, as its text."""
    return number if math.isfinite(number := float(text)) else text


def _clean_within(value: Any) -> Any:
    if isinstance(value, dict):
        return {clean(name): _clean_within(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_clean_within(item) for item in value]
    return clean(value) if isinstance(value, str) else value


def first_line(text: Any) -> str:
    """An error as a row of a list has it."""
    lines = clean(text).strip().splitlines()
    return (lines[0] if lines else "")[:300]


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
