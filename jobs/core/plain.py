"""Python values as JSON."""

import datetime as dt
import decimal
import json
import math
import uuid
from typing import Any, NoReturn


def strict_json(text: str) -> Any:
    """JSON as every reader takes it. Raises ValueError, also for NaN and 1e999, which Python would read."""
    try:
        return json.loads(text, parse_constant=_no_constant, parse_float=_finite)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {text[:40]} is too large")
    return value


def plain(value: Any) -> Any:
    """A form's cleaned value as JSON: dates in ISO 8601, decimals as text. Raises TypeError where there is none."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case dt.timedelta():
            return value.total_seconds()
        case decimal.Decimal() | uuid.UUID():
            return str(value)
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
    raise TypeError(f"a form's cleaned value of type {type(value).__name__} has no JSON form; clean it to one that has")
