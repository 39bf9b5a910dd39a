"""Rows of new jobs. For a row this wide the ORM's own way costs several times what the database needs."""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from operator import attrgetter
from types import NoneType
from typing import Any

from django.db import connection
from django.db.models import CharField, ForeignKey, IntegerField, Model, TextField
from django.db.models.base import ModelState

from jobs.core.twin import twin
from jobs.models import Job

#: Rows of one statement; SQLite takes 32,766 values in one.
_ROWS = 200
#: Fields, and types of their values, that every driver takes without conversion, which takes longer than the rest.
_TAKEN_AS_THEY_ARE = (CharField, TextField, IntegerField, ForeignKey)
_PLAIN = frozenset({str, int, NoneType})


def new_row(**values: Any) -> Job:
    """What `Job(**values)` makes, in a fifth of the time: Django's constructor asks every field about itself."""
    defaults, made_anew = _defaults()
    job = twin(defaults)
    job._state = ModelState()
    for name, default in made_anew.items():
        if name not in values:
            values[name] = default()
    for name, value in values.items():
        setattr(job, name, value)
    return job


@cache
def _defaults() -> tuple[Job, dict[str, Callable[[], Any]]]:
    """A row of defaults, and what makes those that no two rows share."""
    fields: Any = Job._meta.concrete_fields
    return Job(), {field.attname: field.default for field in fields if field.has_default() and callable(field.default)}


def insert(row: Model) -> None:
    """Insert one row, and give it its key. Raises IntegrityError."""
    columns, statement = _statement(type(row))
    key: Any = row._meta.pk
    with connection.cursor() as cursor:
        cursor.execute(f"{statement} RETURNING {key.column}", [_column(field, [row])[0] for field in columns])
        row.pk = cursor.fetchone()[0]
    row._state.adding = False


def insert_many(jobs: list[Job]) -> None:
    """Insert jobs. Their `seq` is known to SQL alone afterwards: read it where it is needed."""
    columns, statement = _statement(Job)
    head, row = statement[: statement.rindex("(")], statement[statement.rindex("(") :]
    values = list(zip(*[_column(field, jobs) for field in columns], strict=True))
    with connection.cursor() as cursor:
        for start in range(0, len(values), _ROWS):
            some = values[start : start + _ROWS]
            # One statement for many: SQLite's driver gives up Python's lock at each, and busy threads take it.
            cursor.execute(f"{head}{', '.join([row] * len(some))}", [value for line in some for value in line])


@cache
def _statement(model: type[Model]) -> tuple[list[Any], str]:
    """The fields of a model without its key, and the INSERT that takes their values."""
    fields: list[Any] = [field for field in model._meta.concrete_fields if not field.primary_key]
    names, places = ", ".join(field.column for field in fields), ", ".join(["%s"] * len(fields))
    return fields, f"INSERT INTO {model._meta.db_table} ({names}) VALUES ({places})"  # noqa: S608


def _column(field: Any, rows: list[Any]) -> list[Any]:
    """One column's values as the driver takes them. Jobs of one call share most values: each is converted once."""
    values = list(map(attrgetter(field.attname), rows))
    if isinstance(field, _TAKEN_AS_THEY_ARE) and _PLAIN.issuperset(map(type, values)):
        return values
    converted: list[Any] = []
    last, text = object(), None
    for value in values:
        if value is not last and not (type(value) is datetime and value == last):
            last, text = value, field.get_db_prep_save(value, connection)
        converted.append(text)
    return converted
