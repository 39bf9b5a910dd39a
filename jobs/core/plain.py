"""Python values as JSON."""

import datetime as dt
import decimal
import uuid
from typing import Any


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
