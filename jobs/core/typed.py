"""Values of Celery's JSON that carry their type: {"__type__": "datetime", "__value__": "2030-01-31T07:00:00"}."""

from typing import Any


def unwrapped(value: Any) -> Any:
    """A copy with the bare values: what people read and forms show."""
    if isinstance(value, dict):
        if value.keys() == {"__type__", "__value__"}:
            return value["__value__"]
        return {key: unwrapped(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [unwrapped(item) for item in value]
    return value
