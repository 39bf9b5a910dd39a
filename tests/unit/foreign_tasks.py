"""Celery tasks as other people write them, with every sort of parameter; registered once, at import."""

import datetime as dt
import decimal
import enum
import uuid
from typing import Literal, Optional

from celery import shared_task
from pydantic import BaseModel, Field

NAME = "tests.unit.foreign_tasks."


class Size(enum.Enum):
    SMALL = "s"
    LARGE = "l"


class Address(BaseModel):
    street: str
    number: int = Field(default=1, gt=0)


class Parcel(BaseModel):
    weight: float
    to: Address


@shared_task
def add(x, y=2):
    """Add two numbers.

    More about it.
    """
    return x + y


@shared_task(bind=True, autoretry_for=(OSError,), max_retries=5, queue="io")
def typed(
    self,
    count: int,
    name: str,
    ratio: float = 0.5,
    loud: bool = False,
    at: Optional[dt.datetime] = None,  # noqa: UP045 (as older code has it)
    day: dt.date | None = None,
    tags: list[str] | None = None,
    options: dict | None = None,
    mode: Literal["fast", "slow", 3] = "fast",
    size: Size = Size.SMALL,
    price: decimal.Decimal | None = None,
    key: uuid.UUID | None = None,
    maybe: bool | None = None,
):
    return count


@shared_task
def spread(first, /, second=5, *rest: int, last="z", **more):
    """Take arguments of every sort."""


@shared_task
def awkward(prefix, data: str, fields=(), check: bool = True, **kwargs):
    """Its parameters are called as a form's own attributes are."""


@shared_task
def login(user: str, password: str, settings: dict | None = None):
    return len(password)


@shared_task(pydantic=True)
def ship(parcel: Parcel, note: str = ""):
    return parcel


@shared_task
def unresolvable(x: "NoSuchName", y: int = 1):  # noqa: F821
    return x
