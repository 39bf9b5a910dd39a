"""Rows of new jobs. The ORM's own insert of a row this wide costs several times what the database needs for it."""

from functools import cache
from types import NoneType
from typing import Any

from django.db import connection
from django.db.models import CharField, ForeignKey, IntegerField, Model, TextField

from jobs.models import Job

#: Rows of one statement; SQLite takes 32,766 values in one.
_ROWS = 200
#: Fields, and types of their values, that every driver takes without conversion, which takes longer than the rest.
_TAKEN_AS_THEY_ARE = (CharField, TextField, IntegerField, ForeignKey)
_PLAIN = (str, int, NoneType)


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
    if isinstance(field, _TAKEN_AS_THEY_ARE) and all(type(getattr(row, field.attname)) in _PLAIN for row in rows):
        return [getattr(row, field.attname) for row in rows]
    converted: list[Any] = []
    last, text = object(), None
    for row in rows:
        value = getattr(row, field.attname)
        if value is not last:
            last, text = value, field.get_db_prep_save(value, connection)
        converted.append(text)
    return converted
