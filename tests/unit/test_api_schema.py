"""The JSON Schema of a kind's parameters says what its form takes."""

import jsonschema
import pytest

from jobs.core.registry import all_kinds
from jobs.submit.validate import bind
from jobs.web.api.schema import schema_of
from tests.unit.api_kinds import VALID, EveryField


@pytest.fixture(scope="module")
def schema():
    return schema_of(EveryField)


def test_it_is_a_schema(schema):
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["required"] == ["text"]
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("kind", all_kinds().values(), ids=lambda kind: kind.slug)
def test_every_kind_has_a_schema(kind):
    found = schema_of(kind)
    jsonschema.Draft202012Validator.check_schema(found)
    assert set(found["properties"]) == set(kind.Form().fields)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("text", {"type": "string", "minLength": 2, "maxLength": 20, "title": "Text", "description": "Some words."}),
        ("width", {"type": "integer", "minimum": 1, "maximum": 16_384, "default": 1024}),
        ("ratio", {"type": ["number", "null"], "minimum": 0}),
        ("price", {"type": ["number", "string", "null"], "maximum": 99.5}),
        ("fast", {"type": "boolean", "default": True}),
        ("mode", {"enum": ["fit", "fill"], "default": "fit"}),
        ("angle", {"enum": [0, 90]}),
        ("day", {"type": ["string", "null"], "format": "date"}),
        ("at", {"format": "date-time"}),
        ("mail", {"type": "string", "format": "email"}),
        ("password", {"writeOnly": True, "format": "password"}),
    ],
)
def test_fields(schema, name, expected):
    found = schema["properties"][name]
    assert {key: found.get(key) for key in expected} == expected


def test_choices_have_titles(schema):
    assert schema["properties"]["mode"]["oneOf"][0] == {"const": "fit", "title": "Fit inside"}
    assert schema["properties"]["colours"]["items"]["enum"] == ["r", "g"]


def test_uploads_say_their_limits(schema):
    found = schema["properties"]["files"]
    assert found["type"] == "array"
    assert found["maxItems"] == 3
    item = found["items"]
    assert (item["type"], item["format"], item["contentMediaType"]) == ("string", "binary", "text/plain")
    assert item["x-max-bytes"] == 1024**2


@pytest.mark.parametrize(
    ("params", "good"),
    [
        (VALID, True),
        ({}, False),
        ({"text": "x"}, False),
        ({"text": "x" * 21}, False),
        ({**VALID, "width": 0}, False),
        ({**VALID, "width": 16_384}, True),
        ({**VALID, "width": "many"}, False),
        ({**VALID, "mode": "fill"}, True),
        ({**VALID, "mode": "stretch"}, False),
        ({**VALID, "angle": 90}, True),
        ({**VALID, "angle": 91}, False),
        ({**VALID, "colours": ["r", "g"]}, True),
        ({**VALID, "colours": ["b"]}, False),
        ({**VALID, "ratio": -1}, False),
        ({**VALID, "ratio": None}, True),
        ({**VALID, "price": "12.50"}, True),
        ({**VALID, "price": 100}, False),
        ({**VALID, "fast": False}, True),
        ({**VALID, "data": {"a": [1, None]}}, True),
        ({**VALID, "day": "2026-01-31"}, True),
    ],
)
def test_schema_and_form_agree(schema, params, good):
    assert jsonschema.Draft202012Validator(schema).is_valid(params) is good
    assert bind(EveryField, params).is_valid() is good
