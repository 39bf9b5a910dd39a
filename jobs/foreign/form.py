"""The form of a task: one field for each parameter of its signature."""

import inspect
import json
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from kombu.utils import json as kombu_json

from jobs.core.errors import Refused
from jobs.core.redaction import MASK, holds_mask, sealed
from jobs.core.typed import unwrapped
from jobs.foreign.fields import ABSENT, Json, OneOf, field_for, list_field, object_field, optional_of, text_of

_EMPTY = inspect.Parameter.empty
PLACED = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_SPREAD, _EXTRA = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD


@dataclass(frozen=True)
class Parameter:
    """One parameter; may_be_none: its hint, its default or the lack of a hint allows None."""

    name: str
    kind: Any
    default: Any
    hint: Any
    may_be_none: bool

    @property
    def required(self) -> bool:
        return self.default is _EMPTY and self.kind not in (_SPREAD, _EXTRA)

    def field(self) -> forms.Field:
        if self.kind == _SPREAD:
            return list_field(None, {"required": False, "label": f"More positional arguments (*{self.name})"})
        if self.kind == _EXTRA:
            return object_field({"required": False, "label": f"More arguments by name (**{self.name})"})
        strict = self.required and not (self.may_be_none and self.hint is not _EMPTY)
        if self.hint is bool and self.may_be_none:
            field: forms.Field = forms.NullBooleanField(required=False)
        else:
            field = field_for(self.name, self.hint, required=strict, initial=None)
        if self.default is not _EMPTY and self.default is not None:
            field.initial = _initial(field, self.default)
        return field


def _initial(field: forms.Field, default: Any) -> Any:
    default = default.value if isinstance(default, Enum) else default
    if isinstance(field, OneOf):
        return text_of(default)
    if isinstance(field, Json):
        try:
            return _as_json(default)
        except TypeError:
            return None  # a default that no message could carry stays the task's own
    return default


class TaskForm(forms.Form):
    """Base of every task's form. `given`: the names that a program gave, None for a page, which sends all of them."""

    parameters: ClassVar[Mapping[str, Parameter]] = {}
    given: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, parameters: Sequence[Parameter]) -> "type[TaskForm]":
        # Not as attributes of the class: a parameter may be called "prefix", as Form's own attribute is.
        form: Any = type("Form", (cls,), {"parameters": {each.name: each for each in parameters}})
        form.base_fields = {each.name: each.field() for each in parameters}
        return form

    @classmethod
    def bound(cls, values: Mapping[str, Any]) -> "TaskForm":
        """The form with values by name as a program has them. Raises Refused for those that no field could take."""
        data, errors = {}, {}
        form = cls()
        for name, value in values.items():
            field, parameter = form.fields[name], cls.parameters[name]
            value = value if isinstance(field, Json) else unwrapped(value)
            is_flag = isinstance(field, forms.BooleanField)
            if is_flag and value is not None and not isinstance(value, bool):
                errors[name] = ["Expected true or false."]
            elif value is None and not parameter.may_be_none:
                errors[name] = ["Expected a value, not null."]
            elif value is None or value == "":
                field.required = False
                data[name] = "" if not isinstance(field, Json) else json.dumps(value)
            elif isinstance(field, Json):
                data[name] = json.dumps(_as_json(value))
            elif isinstance(field, OneOf):
                data[name] = text_of(value)
            elif isinstance(field, forms.NullBooleanField) or not is_flag or value:
                data[name] = _text(value)
        if errors:
            raise Refused(errors)
        form.data, form.is_bound, form.given = data, True, values
        return form

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for name, parameter in self.parameters.items():
            if holds_mask(data.get(name)):
                # What the form began with was masked; stored again it would be passed on as if it were the secret.
                self.add_error(name, ValidationError(f"{MASK} stands for a secret that is not shown: give it again."))
            if parameter.kind == _EXTRA and isinstance(extra := data.get(name), dict):
                known = [each for each in extra if each in self.parameters and self.parameters[each].kind in _BY_NAME]
                if known:
                    self.add_error(name, ValidationError(f"{', '.join(known)}: has a field of its own."))
        return data

    def arguments(self) -> tuple[list[Any], dict[str, Any]]:
        """The call that the valid form stands for, as JSON that a message can carry; secrets as ciphertext."""
        values = {name: value for name in self.parameters if (value := self._value(name)) is not ABSENT}
        values = sealed(_as_json(values))
        spread, extra = [], {}
        by_position: list[Parameter] = []
        for name, parameter in self.parameters.items():
            if parameter.kind == _SPREAD:
                spread = values.pop(name, [])
            elif parameter.kind == _EXTRA:
                extra = values.pop(name, {})
        for parameter in self.parameters.values():
            if parameter.kind == inspect.Parameter.POSITIONAL_ONLY or (spread and parameter.kind in PLACED):
                by_position.append(parameter)
        while by_position and not spread and by_position[-1].name not in values:
            by_position.pop()
        args = [values.pop(each.name) if each.name in values else _as_json(each.default) for each in by_position]
        return [*args, *spread], {**values, **extra}

    def _value(self, name: str) -> Any:
        """What is passed for a parameter; ABSENT leaves it to the task's default."""
        value, parameter = self.cleaned_data.get(name), self.parameters[name]
        if self.given is not None:
            if name not in self.given:
                return ABSENT
            return None if self.given[name] is None else value
        if value is not ABSENT and isinstance(self.fields[name], Json):
            return value
        if value is None or value is ABSENT or (value == "" and parameter.may_be_none):
            return None if parameter.required else ABSENT
        return value


def parameters_of(run: Callable[..., Any]) -> list[Parameter]:
    """The parameters of a task's `run`, without the `self` of a bound one."""
    try:
        hints = typing.get_type_hints(inspect.unwrap(run))
    except Exception:
        hints = {}  # names that only a type checker could resolve
    found = []
    for each in inspect.signature(run).parameters.values():
        hint, may_be_none = optional_of(hints.get(each.name, _EMPTY))
        found.append(Parameter(each.name, each.kind, each.default, hint, may_be_none or each.default is None))
    return found


def values_of(parameters: Sequence[Parameter], args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a call by the names of its parameters, as Python would bind them. Raises Refused."""
    places = [each.name for each in parameters if each.kind in PLACED]
    names = {each.name for each in parameters if each.kind in _BY_NAME}
    spread = next((each.name for each in parameters if each.kind == _SPREAD), None)
    extra = next((each.name for each in parameters if each.kind == _EXTRA), None)
    values = dict(zip(places, args, strict=False))
    errors: dict[str, list[str]] = {}
    if more := list(args[len(places) :]):
        if spread:
            values[spread] = more
        else:
            errors["args"] = [f"{len(args)} positional arguments were given; at most {len(places)} are taken."]
    others = {}
    for name, value in kwargs.items():
        if name in names and name in values:
            errors[name] = ["Given twice: by position and by name."]
        elif name in names:
            values[name] = value
        elif extra:
            others[name] = value
        else:
            errors[name[:100]] = [_unknown(parameters)]
    if others and extra:
        values[extra] = others
    errors |= _missing(parameters, values, errors)
    if errors:
        raise Refused(errors)
    return values


def check_names(parameters: Sequence[Parameter], values: Mapping[str, Any]) -> None:
    """Raise Refused for names that are no parameters, and for parameters that must be given and are not."""
    known = {each.name for each in parameters}
    errors = {name[:100]: [_unknown(parameters)] for name in values if name not in known}
    errors |= _missing(parameters, values, errors)
    if errors:
        raise Refused(errors)


def _missing(parameters: Sequence[Parameter], values: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    required = [each.name for each in parameters if each.required]
    return {name: ["This parameter is required."] for name in required if name not in values and name not in told}


def _unknown(parameters: Sequence[Parameter]) -> str:
    return f"Unknown parameter. The task takes: {', '.join(each.name for each in parameters) or 'none'}."


def _as_json(value: Any) -> Any:
    """JSON as Celery's serializer writes it: dates and the like keep their type."""
    return json.loads(kombu_json.dumps(value))


def _text(value: Any) -> str:
    """What a widget would have sent for a value that is not JSON to its field."""
    return json.dumps(value) if isinstance(value, dict | list | bool) else str(value)
