"""Cells as the parameters that a program would have sent."""

import datetime as dt
import re
from typing import Any

from django import forms

from jobs.core.fields import UploadField

_YES, _NO = {"true", "yes", "y", "1", "x", "on"}, {"false", "no", "n", "0", "off"}


def parameter(field: forms.Field, value: Any) -> Any:
    """A cell's value for a field; None for an empty cell, which leaves the parameter its default. Raises ValueError."""
    match value:
        case None:
            return None
        case str():
            return _from_text(field, value) if value.strip() else None
        case dt.datetime() if _is_date(field) and value.time() == dt.time():
            return value.date().isoformat()
        case dt.datetime() | dt.date() | dt.time():
            return value.isoformat()
        case dt.timedelta():
            minutes, seconds = divmod(round(value.total_seconds()), 60)
            return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
        case float() if value.is_integer():
            return int(value)  # sheets know one type of number only
        case bool() | list() | dict():
            return value
        case int() | float() if isinstance(field, forms.BooleanField):
            return _from_text(field, str(value))
    return value


def _from_text(field: forms.Field, text: str) -> Any:
    if isinstance(field, forms.BooleanField | forms.NullBooleanField):
        word = text.strip().lower()
        if word not in _YES | _NO:
            raise ValueError("Expected yes or no, true or false, 1 or 0.")
        return word in _YES
    if isinstance(field, forms.MultipleChoiceField | UploadField):
        return [part.strip() for part in re.split(r"[;,]", text) if part.strip()]
    return text


def _is_date(field: forms.Field) -> bool:
    return isinstance(field, forms.DateField) and not isinstance(field, forms.DateTimeField)
