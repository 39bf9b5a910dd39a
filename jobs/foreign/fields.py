"""From a parameter's type hint to the form field that reads and checks such a value."""

import datetime as dt
import decimal
import enum
import inspect
import json
import sys
import types
import typing
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from jobs.core.fields import SecretField
from jobs.core.plain import strict_json
from jobs.core.redaction import is_secret_name

#: The value of a field that was left empty, where None is a value of its own.
ABSENT: Any = object()

_PLAIN: dict[Any, Callable[..., forms.Field]] = {
    int: forms.IntegerField,
    float: forms.FloatField,
    decimal.Decimal: forms.DecimalField,
    uuid.UUID: forms.UUIDField,
    dt.datetime: forms.DateTimeField,
    dt.date: forms.DateField,
    dt.time: forms.TimeField,
}
_LISTS = (list, tuple, set, frozenset, Sequence)
_ITEMS = {int: "whole numbers", float: "numbers", str: "texts", bool: "true or false", dict: "objects"}


class Sent(str):
    """Text as it was sent, which goes back into its field as it is."""


class Json(forms.JSONField):
    """A JSON value. check: raises ValidationError for a value that will not do; json_schema: what the API publishes."""

    def __init__(self, check: Callable[[Any], None] = lambda value: None, json_schema: Any = None, **kwargs: Any):
        super().__init__(widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}), **kwargs)
        self.check, self.json_schema = check, json_schema or {}

    def to_python(self, value: Any) -> Any:
        if value in (None, ""):
            return ABSENT
        parsed = self._parse(str(value))
        _check_text(parsed)
        self.check(parsed)
        return parsed

    def _parse(self, text: str) -> Any:
        try:
            return strict_json(text)
        except ValueError as error:
            raise ValidationError(f"This is no JSON: {error}.") from error

    def validate(self, value: Any) -> None:
        if value is ABSENT and self.required:
            raise ValidationError(self.error_messages["required"], code="required")

    def prepare_value(self, value: Any) -> Any:
        if value is None or value is ABSENT or isinstance(value, Sent):
            return value if isinstance(value, Sent) else ""
        return json.dumps(value, ensure_ascii=False)

    def bound_data(self, data: Any, initial: Any) -> Any:
        return Sent(data or "")

    def has_changed(self, initial: Any, data: Any) -> bool:
        return self.prepare_value(initial) != (data or "")


class Anything(Json):
    """A value of a parameter without a type hint: JSON, and what is no JSON is text."""

    def __init__(self, **kwargs: Any):
        super().__init__(help_text="Text, a number or JSON.", **kwargs)
        self.widget = forms.TextInput(attrs={"spellcheck": "false"})

    def _parse(self, text: str) -> Any:
        try:
            return super()._parse(text)
        except ValidationError:
            return text

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, str) and value and self._parse(value) == value:
            return value
        return super().prepare_value(value)


class OneOf(forms.TypedChoiceField):
    """One of some JSON values, which need not be text."""

    def __init__(self, values: Sequence[Any], **kwargs: Any):
        by_text = {text_of(value): value for value in values if value is not None}
        blank = [] if kwargs.get("required", True) else [("", "–")]
        super().__init__(
            choices=[*blank, *((text, text) for text in by_text)],
            coerce=by_text.__getitem__,
            empty_value=None,
            **kwargs,
        )  # fmt: skip
        self.json_schema = {"enum": list(values)}


def _check_text(value: Any) -> None:
    """Refuse what PostgreSQL keeps in no JSON: NUL, and half of a surrogate pair."""
    text = json.dumps(value, ensure_ascii=False)
    if "\\u0000" in text:
        raise ValidationError("Must not contain NUL characters.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(text[error.start]):04x}"
        raise ValidationError(f"{half} is half of a character: give its other half too, or the character.") from error


def text_of(value: Any) -> str:
    """The text that a form sends for a choice or a default."""
    return value if isinstance(value, str) else json.dumps(value)


def field_for(name: str, hint: Any, *, required: bool, initial: Any) -> forms.Field:
    """The field of one parameter. hint: as `optional_of` leaves it, or inspect.Parameter.empty."""
    more: dict[str, Any] = {"required": required, "initial": initial}
    if hint in (str, inspect.Parameter.empty) and is_secret_name(name):
        return SecretField(required=required)
    if hint is str:
        return forms.CharField(strip=False, **more)
    if hint is bool:
        return forms.BooleanField(**{**more, "required": False})
    if made := _PLAIN.get(hint):
        return made(**more)
    if typing.get_origin(hint) is typing.Literal:
        return OneOf(typing.get_args(hint), **more)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return OneOf([member.value for member in hint], **more)
    if (model := _model(hint)) is not None:
        return _model_field(name, model, more)
    origin = typing.get_origin(hint) or hint
    if origin in _LISTS:
        return list_field(_item_of(hint), more)
    if origin in (dict, Mapping) or (isinstance(hint, type) and issubclass(hint, dict)):
        return object_field(more)
    return Anything(**more)


def optional_of(hint: Any) -> tuple[Any, bool]:
    """(X, True) for Optional[X], (hint, False) for any other; unions of several types are not told apart."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        others = [each for each in typing.get_args(hint) if each is not types.NoneType]
        return (others[0] if len(others) == 1 else Any), types.NoneType in typing.get_args(hint)
    if typing.get_origin(hint) is typing.Literal and None in typing.get_args(hint):
        return hint, True
    return hint, hint in (Any, inspect.Parameter.empty)


def _item_of(hint: Any) -> Any:
    items = [each for each in typing.get_args(hint) if each is not Ellipsis]
    return items[0] if len(items) == 1 and items[0] in _ITEMS else None


def list_field(item: Any, more: dict[str, Any]) -> Json:
    """A JSON list; item: the type of each entry, None for any."""
    expected = f"a JSON list of {_ITEMS[item]}" if item else "a JSON list"

    def check(value: Any) -> None:
        if not isinstance(value, list) or (item and not all(_is(each, item) for each in value)):
            raise ValidationError(f"Expected {expected}.")

    names = {int: "integer", float: "number", str: "string", bool: "boolean", dict: "object"}
    schema = {"type": "array", **({"items": {"type": names[item]}} if item else {})}
    return Json(check, schema, help_text=f"{expected[0].upper()}{expected[1:]}.", **more)


def _is(value: Any, wanted: type) -> bool:
    if isinstance(value, bool) and wanted is not bool:
        return False
    return isinstance(value, (int, float) if wanted is float else wanted)


def object_field(more: dict[str, Any]) -> Json:
    def check(value: Any) -> None:
        if not isinstance(value, dict):
            raise ValidationError('Expected a JSON object, such as {"width": 640}.')

    return Json(check, {"type": "object"}, help_text="A JSON object.", **more)


def _model(hint: Any) -> Any:
    """The hint where it is a pydantic model. Nobody has one before pydantic is imported."""
    pydantic = sys.modules.get("pydantic")
    return hint if pydantic and isinstance(hint, type) and issubclass(hint, pydantic.BaseModel) else None


def _model_field(name: str, model: Any, more: dict[str, Any]) -> Json:
    invalid = sys.modules["pydantic"].ValidationError

    def check(value: Any) -> None:
        try:
            model.model_validate_json(json.dumps(value))
        except invalid as error:
            texts = [
                f"{'.'.join(map(str, each['loc']))}: {each['msg']}." if each["loc"] else f"{each['msg']}."
                for each in error.errors(include_url=False, include_context=False)
            ]
            raise ValidationError(texts) from error

    schema = model.model_json_schema(ref_template=f"#/properties/{name}/$defs/{{model}}")
    takes = ", ".join(
        f"{part} ({rule.get('type', 'any')}{', required' if part in schema.get('required', []) else ''})"
        for part, rule in schema.get("properties", {}).items()
    )
    return Json(check, schema, help_text=f"A JSON object: {takes}." if takes else "A JSON object.", **more)
