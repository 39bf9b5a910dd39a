"""JSON Schema (draft 2020-12) of a kind's parameters, made from its Form."""

import decimal
import mimetypes
import re
from collections.abc import Callable, Iterator
from typing import Any

from django import forms
from django.core import validators
from django.forms.utils import pretty_name
from django.utils.html import strip_tags

from jobs.core.fields import SecretField, UploadField
from jobs.core.kind import Kind
from jobs.core.plain import plain
from jobs.foreign.task import ForeignTask

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(kind: type[Kind] | ForeignTask) -> dict[str, Any]:
    """The schema of the object "params" of a kind, or of a task's arguments by name."""
    form = kind.Form()
    return {
        "$schema": DIALECT,
        "title": kind.label,
        "description": kind.summary(),
        "type": "object",
        "properties": {name: field_schema(form, name) for name in form.fields},
        "required": [name for name in form.fields if _must_be_given(form, name)],
        "additionalProperties": False,
    }


def field_schema(form: forms.BaseForm, name: str) -> dict[str, Any]:
    """The schema of one field's value as JSON. What is absent takes the default."""
    field = form.fields[name]
    schema = {"title": str(field.label or pretty_name(name)), **_by_type(field)}
    if field.help_text:
        schema["description"] = strip_tags(str(field.help_text))
    default = _plain(form.get_initial_for_field(field, name))
    if default not in (None, "", []):
        schema["default"] = default
    if field.disabled:
        schema["readOnly"] = True
    return schema


def _must_be_given(form: forms.BaseForm, name: str) -> bool:
    field = form.fields[name]
    return field.required and not field.disabled and form.get_initial_for_field(field, name) in (None, "", [])


def _by_type(field: forms.Field) -> dict[str, Any]:
    """What the field says of itself, or the first entry whose class fits; subclasses stand before their bases."""
    if (own := getattr(field, "json_schema", None)) is not None:
        return dict(own)
    for cls, describe in _DESCRIBED:
        if isinstance(field, cls):
            return describe(field)
    return {}


def _text(field: Any, **more: Any) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string", **more}
    least = max([field.min_length or 0, 1 if field.required else 0])
    if least:
        schema["minLength"] = least
    if field.max_length is not None:
        schema["maxLength"] = field.max_length
    if type(field) in (forms.RegexField, forms.SlugField):
        for validator in field.validators:
            if isinstance(validator, validators.RegexValidator) and not validator.inverse_match:
                schema["pattern"] = re.compile(validator.regex).pattern.replace(r"\Z", "$")
    return schema


def _number(kind: str) -> Callable[[Any], dict[str, Any]]:
    def describe(field: Any) -> dict[str, Any]:
        # A decimal may come as text too, and is stored as text, so that no digit is lost.
        types = ["number", "string"] if kind == "decimal" else [kind]
        if not field.required:
            types = [*types, "null"]
        schema: dict[str, Any] = {"type": types[0] if len(types) == 1 else types}
        for key, bound in (("minimum", field.min_value), ("maximum", field.max_value)):
            value = bound() if callable(bound) else bound
            if value is not None:
                schema[key] = float(value) if isinstance(value, decimal.Decimal) else value
        step = getattr(field, "step_size", None)
        if step is not None and field.min_value is None:
            schema["multipleOf"] = float(step) if isinstance(step, decimal.Decimal) else step
        return schema

    return describe


def _moment(form: str) -> Callable[[Any], dict[str, Any]]:
    def describe(field: Any) -> dict[str, Any]:
        return {"type": "string" if field.required else ["string", "null"], "format": form}

    return describe


def _flat(choices: Any) -> Iterator[tuple[Any, str]]:
    """(value, title) of every choice, those in groups included."""
    for value, title in choices:
        if isinstance(title, list | tuple):
            yield from _flat(title)
        else:
            yield value, str(title)


def _choice(field: Any) -> dict[str, Any]:
    options = [(_plain(value), title) for value, title in _flat(field.choices)]
    return _options([option for option in options if option[0] not in ("", None) or not field.required])


def _options(options: list[tuple[Any, str]]) -> dict[str, Any]:
    """`enum` for programs, `oneOf` for the titles."""
    return {
        "enum": [value for value, _ in options],
        "oneOf": [{"const": value, "title": title} for value, title in options],
    }


def _choices(field: Any) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "array", "items": _choice(field), "uniqueItems": True}
    return {**schema, "minItems": 1} if field.required else schema


def _boolean(field: forms.Field) -> dict[str, Any]:
    return {"type": "boolean", **({"const": True} if field.required else {})}


def _upload(field: Any) -> dict[str, Any]:
    """Files come as multipart under the field's name; JSON names files that are stored already by artifact id."""
    item: dict[str, Any] = {"type": "string", "format": "binary"}
    types = {mimetypes.guess_type(f"file{suffix}")[0] for suffix in field.accept}
    if len(types) == 1 and (known := types.pop()):
        item["contentMediaType"] = known
    item["x-max-bytes"] = field.max_size
    if field.accept:
        item["x-accept"] = list(field.accept)
    schema: dict[str, Any] = {"type": "array", "items": item, "maxItems": field.max_count if field.multiple else 1}
    return {**schema, "minItems": 1} if field.required else schema


def _plain(value: Any) -> Any:
    """A default or choice as JSON; None where it has no such form."""
    try:
        return plain(value)
    except TypeError:
        return None if callable(value) else str(value)


_DESCRIBED: list[tuple[type[forms.Field], Callable[[Any], dict[str, Any]]]] = [
    (UploadField, _upload),
    (forms.FileField, lambda field: {"type": "string", "format": "binary"}),
    (SecretField, lambda field: _text(field, format="password", writeOnly=True)),
    (forms.ModelMultipleChoiceField, lambda field: {"type": "array", "items": {"type": ["integer", "string"]}}),
    (forms.ModelChoiceField, lambda field: {"type": ["integer", "string"] + ([] if field.required else ["null"])}),
    (forms.MultipleChoiceField, _choices),
    (forms.ChoiceField, _choice),
    (forms.NullBooleanField, lambda field: {"type": ["boolean", "null"]}),
    (forms.BooleanField, _boolean),
    (forms.JSONField, lambda field: {}),
    (forms.EmailField, lambda field: _text(field, format="email")),
    (forms.URLField, lambda field: _text(field, format="uri")),
    (forms.UUIDField, lambda field: {"type": "string", "format": "uuid"}),
    (forms.GenericIPAddressField, _text),
    (forms.DecimalField, _number("decimal")),
    (forms.FloatField, _number("number")),
    (forms.IntegerField, _number("integer")),
    (forms.DateTimeField, _moment("date-time")),
    (forms.DateField, _moment("date")),
    (forms.TimeField, _moment("time")),
    (forms.DurationField, lambda field: {"type": ["number", "string"], "description": "Seconds, or [DD] HH:MM:SS."}),
    (forms.CharField, _text),
]
