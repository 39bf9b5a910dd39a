"""Copies of objects that Python itself copies slowly."""

from typing import TypeVar

T = TypeVar("T")


def twin(of: T) -> T:
    """What `copy.copy` answers for a plain object with a `__dict__`, without asking its class how."""
    made: T = object.__new__(type(of))
    made.__dict__.update(of.__dict__)
    return made
