"""Reading what was sent: JSON or multipart, into the fields that the call declares."""

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NoReturn

from django.http import HttpRequest
from django.utils.datastructures import MultiValueDict

from jobs.web.api.check import check_object
from jobs.web.api.problem import Problem, invalid

MAX_BODY = 20 * 1024 * 1024  # [bytes], files apart
MAX_DEPTH = 64
JSON_TYPE, FORM_TYPE = "application/json", "multipart/form-data"


@dataclass
class Body:
    """The fields of a request, checked against the call's schema, and its files by field name."""

    values: dict[str, Any] = field(default_factory=dict)
    files: "MultiValueDict[str, Any]" = field(default_factory=MultiValueDict)

    def get(self, name: str, default: Any = None) -> Any:
        value = self.values.get(name)
        return default if value is None else value


def read_body(request: HttpRequest, schema: dict[str, Any], *, takes_files: bool) -> Body:
    """The body as `schema` (an object's JSON Schema) declares it. Raises Problem 400, 413, 415 or 422."""
    kind = request.content_type or ""
    if takes_files and kind == FORM_TYPE:
        body = _from_form(request, schema)
    elif kind == JSON_TYPE or not kind or _is_empty(request):
        body = Body(_from_json(_read(request)))
    else:
        takes = f"{JSON_TYPE} or {FORM_TYPE}" if takes_files else JSON_TYPE
        raise Problem(415, f"Content-Type {kind[:80]!r} is not taken here: send {takes}.")
    if errors := check_object(body.values, schema):
        raise invalid(errors)
    return body


def _is_empty(request: HttpRequest) -> bool:
    """Nothing was sent, as `curl --request POST` does: then the type that it names says nothing."""
    return request.META.get("CONTENT_LENGTH") in ("", "0", 0) and "Transfer-Encoding" not in request.headers


def _read(request: HttpRequest) -> bytes:
    # Read by hand: without a Content-Length, Django would take in a body of any size.
    raw = request.read(MAX_BODY + 1)
    if len(raw) > MAX_BODY or int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BODY:
        raise Problem(413, f"The body is too large: at most {MAX_BODY // 1024**2} MB of JSON are taken.")
    return raw


def _from_json(raw: bytes) -> dict[str, Any]:
    value = parse_json(raw) if raw.strip() else {}
    if not isinstance(value, dict):
        raise Problem(400, f'The body must be a JSON object such as {{"kind": …}}, not {_name_of(value)}.')
    return value


def _from_form(request: HttpRequest, schema: dict[str, Any]) -> Body:
    """Fields that the call declares by their name, all others as parameters; "params" is JSON text."""
    values: dict[str, Any] = {}
    params: dict[str, Any] = {}
    for name, given in request.POST.lists():
        if any("\0" in text for text in (name, *given)):
            raise invalid({name.replace("\0", "�")[:100]: ["Must not contain NUL characters."]})
        if name == "csrfmiddlewaretoken":
            continue
        if name == "params":
            parsed = parse_json(given[-1].encode(), "params: ") if given[-1].strip() else {}
            if not isinstance(parsed, dict):
                raise invalid({"params": [f"Expected a JSON object of parameters, not {_name_of(parsed)}."]})
            params = {**parsed, **params}
        elif name in schema["properties"]:
            values[name] = given[-1]
        else:
            params[name] = given if len(given) > 1 else given[0]
    if params:
        values["params"] = params
    return Body(values, request.FILES)


def parse_json(raw: bytes, where: str = "") -> Any:
    """Strict JSON: UTF-8, no NaN, no infinity, no key twice, no NUL, nested at most 64 deep. Raises Problem."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Problem(400, f"{where}The text is not UTF-8: byte {error.start + 1} cannot be read.") from error
    try:
        value = json.loads(text, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_no_key_twice)
    except json.JSONDecodeError as error:
        raise Problem(
            400, f"{where}Malformed JSON in line {error.lineno}, column {error.colno}: {error.msg}.",
            line=error.lineno, column=error.colno,
        ) from error  # fmt: skip
    except RecursionError as error:
        raise _too_deep(where) from error
    except ValueError as error:  # a whole number of more than 4,300 digits
        raise Problem(400, f"{where}A number in the JSON is too long to be read.") from error
    _check_tree(value, where)
    return value


def _no_constant(name: str) -> NoReturn:
    raise Problem(400, f"{name} is not JSON: send a number, or null.")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise Problem(400, f"The number {text[:40]} is too large.")
    return value


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise Problem(400, f"The key {twice[:80]!r} comes twice in one JSON object.")
    return found


def _check_tree(value: Any, where: str) -> None:
    """Refuse what SQL cannot keep: NUL, half a surrogate pair, bottomless nesting."""
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise _too_deep(where)
        below: list[Any] = []
        for item in level:
            if isinstance(item, str):
                _check_text(item, where)
            elif isinstance(item, dict):
                for key in item:
                    _check_text(key, where)
                below += item.values()
            elif isinstance(item, list):
                below += item
        level = below


def _check_text(text: str, where: str) -> None:
    if "\0" in text:
        before = text.partition("\0")[0][:40]
        raise Problem(400, f"{where}A text in the JSON has a NUL character (\\u0000) after {before!r}.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        place = f"at character {error.start + 1}"
        raise Problem(400, f"{where}A text in the JSON has half of a surrogate pair {place}.") from error


def _too_deep(where: str) -> Problem:
    return Problem(400, f"{where}The JSON is nested more than {MAX_DEPTH} levels deep.")


def _name_of(value: Any) -> str:
    if value is None:
        return "null"
    return {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list"}[type(value)]
