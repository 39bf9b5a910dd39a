"""From NAME=VALUE on a command line to parameters and files of a kind, or arguments of a task."""

import json
import mimetypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.datastructures import MultiValueDict

from jobs.core.errors import Refused
from jobs.core.fields import UploadField
from jobs.core.kind import Kind
from jobs.foreign.fields import Json
from jobs.foreign.form import values_of
from jobs.foreign.task import ForeignTask

_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def params_of(kind: type[Kind], given: list[str]) -> dict[str, Any]:
    """Parameters as JSON. Raises Refused for what is not NAME=VALUE and for files that cannot be read."""
    fields = kind.Form().fields
    params: dict[str, Any] = {}
    for name, text in _pairs(given, "--param"):
        field = fields.get(name)
        if isinstance(field, UploadField):
            raise Refused({name: [f"Files are given as --file {name}=PATH."]})
        value = _value(name, _read(name, text[1:]) if text.startswith("@") else text, field)
        if name in params:
            before = params[name]
            params[name] = [*(before if isinstance(before, list) else [before]), value]
        else:
            params[name] = [value] if isinstance(field, forms.MultipleChoiceField) else value
    return params


def files_of(kind: type[Kind], given: list[str]) -> "MultiValueDict[str, Any]":
    """Uploads by field. Raises Refused for unknown fields and files that cannot be read."""
    takes = [name for name, field in kind.Form().fields.items() if isinstance(field, UploadField)]
    files: MultiValueDict[str, Any] = MultiValueDict()
    for name, text in _pairs(given, "--file"):
        if name not in takes:
            raise Refused({name: [f"Not a file field. {kind.label} takes files as: {', '.join(takes) or 'none'}."]})
        path = Path(text).expanduser()
        try:
            size, content = path.stat().st_size, path.open("rb")
        except OSError as error:
            raise Refused({name: [f"{text} cannot be read: {error.strerror}."]}) from error
        content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        files.appendlist(name, UploadedFile(content, path.name, content_type, size))
    return files


def values_of_words(task: ForeignTask, args: list[str], kwargs: list[str]) -> dict[str, Any]:
    """Arguments of a task by the names of its parameters, each read as the field of its type reads it.

    Raises Refused for what is not NAME=VALUE, and for a call that the signature does not take.
    """
    named: dict[str, Any] = {}
    for name, text in _pairs(kwargs, "--kwarg"):
        if name in named:
            raise Refused({name: ["Given twice."]})
        named[name] = _read(name, text[1:]) if text.startswith("@") else text
    fields = task.Form().fields
    values: dict[str, Any] = {}
    for name, value in values_of(task.parameters, args, named).items():
        if isinstance(value, list):
            values[name] = [_json(each) for each in value]
        elif isinstance(value, dict):
            values[name] = {key: _json(each) for key, each in value.items()}
        else:
            read_as_json = isinstance(fields[name], Json | forms.NullBooleanField)
            values[name] = _json(value) if read_as_json else _value(name, value, fields[name])
    return values


def _json(text: str) -> Any:
    """What is no JSON is text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _pairs(given: list[str], option: str) -> Iterator[tuple[str, str]]:
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise Refused({option: [f"{text!r} cannot be used: expected NAME=VALUE."]})
        yield name, value


def _value(name: str, text: str, field: forms.Field | None) -> Any:
    """Yes and no as truth values, all else as text, which the form reads."""
    if not isinstance(field, forms.BooleanField) or isinstance(field, forms.NullBooleanField):
        return text
    if text.lower() in _YES:
        return True
    if text.lower() in _NO:
        return False
    raise Refused({name: [f"{text!r} cannot be used: expected true or false."]})


def _read(name: str, path: str) -> str:
    try:
        return Path(path).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refused({name: [f"{path} cannot be read as text: {error}."]}) from error
