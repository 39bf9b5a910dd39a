"""Forms made from the signatures of other people's Celery tasks: what they show, take, refuse and send."""

import datetime as dt
import json

import pytest
from kombu.utils import json as kombu_json

from jobs.core.errors import Refused
from jobs.core.registry import all_kinds, task_name
from jobs.foreign.task import all_tasks, task_named
from jobs.submit.validate import cleaned
from jobs.web.api.schema import schema_of
from tests.unit.foreign_tasks import NAME


def called(name, /, *args, **kwargs):
    """(args, kwargs) as the worker gets them, for a call that a program asks for."""
    form = task_named(NAME + name).form(args, kwargs)
    cleaned(form)
    return tuple(kombu_json.loads(json.dumps(form.arguments())))


def filled(name, /, **data):
    """The same, for a form as a browser sends it."""
    form = task_named(NAME + name).Form({key: str(value) for key, value in data.items()})
    cleaned(form)
    return tuple(kombu_json.loads(json.dumps(form.arguments())))


def errors_of(name, /, *args, **kwargs):
    with pytest.raises(Refused) as refused:
        called(name, *args, **kwargs)
    return refused.value.errors


def test_celerys_own_tasks_and_kinds_are_no_foreign_tasks():
    names = [task.name for task in all_tasks()]
    assert f"{NAME}add" in names
    ours = {*(task_name(slug) for slug in all_kinds()), "celery.chord", "celery.group", "celery.backend_cleanup"}
    assert not ours.intersection(names)
    assert task_named("jobs.add") is None and task_named("celery.backend_cleanup") is None
    assert task_named("no.such") is None


def test_label_summary_and_queue():
    add, typed = task_named(f"{NAME}add"), task_named(f"{NAME}typed")
    assert (add.label, add.summary(), add.pool) == ("Add", "Add two numbers.", "cpu")
    assert (typed.summary(), typed.pool) == ("", "io")


class TestShown:
    def test_self_is_left_out_and_defaults_are_filled_in(self):
        form = task_named(f"{NAME}typed").Form()
        assert next(iter(form.fields)) == "count"
        assert {name for name, field in form.fields.items() if field.required} >= {"count", "name"}
        initial = [form.fields[name].initial for name in ("ratio", "mode", "size", "at")]
        assert initial == [0.5, "fast", "s", None]

    def test_untyped_parameters_take_numbers_texts_and_json(self):
        assert filled("add", x="3", y="") == ([], {"x": 3})
        assert filled("add", x="three", y='"3"') == ([], {"x": "three", "y": "3"})
        assert filled("add", x="[1]", y="null") == ([], {"x": [1], "y": None})

    @pytest.mark.parametrize("value", ["3", 3, "three", [1], {"a": None}, True, "", "null", "NaN"])
    def test_what_is_shown_again_is_what_was(self, value):
        form = task_named(f"{NAME}add").Form(initial={"x": value})
        assert filled("add", x=form["x"].value(), y="") == ([], {"x": value})

    def test_a_name_that_no_python_finds_does_no_harm(self):
        assert filled("unresolvable", x="1", y="2") == ([], {"x": 1, "y": 2})


class TestTaken:
    def test_typed_values_arrive_as_their_type(self):
        args, kwargs = called(
            "typed", 1, "a", at="2030-01-31T07:00:00+01:00", day="2030-02-01", price="1.10", mode=3, size="l",
            tags=["x"], loud=True, maybe=False,
        )  # fmt: skip
        assert args == []
        assert kwargs["at"] == dt.datetime.fromisoformat("2030-01-31T07:00:00+01:00")
        assert kwargs["day"] == dt.date(2030, 2, 1)
        assert str(kwargs["price"]) == "1.10"
        assert (kwargs["mode"], kwargs["size"], kwargs["tags"]) == (3, "l", ["x"])
        assert (kwargs["loud"], kwargs["maybe"]) == (True, False)

    def test_a_datetime_object_is_taken_too(self):
        at = dt.datetime(2030, 1, 1, 12, tzinfo=dt.UTC)
        assert called("typed", 1, "a", at=at)[1]["at"] == at

    def test_what_is_not_given_is_left_to_the_task(self):
        assert called("typed", 1, "a") == ([], {"count": 1, "name": "a"})

    def test_none_and_empty_texts_are_values(self):
        assert called("typed", 1, "", at=None)[1] == {"count": 1, "name": "", "at": None}
        assert called("add", None, "") == ([], {"x": None, "y": ""})
        assert called("add", [], {}) == ([], {"x": [], "y": {}})

    def test_an_emptied_field_is_left_to_the_task(self):
        _, kwargs = filled("typed", count=1, name=" a ", ratio="", at="", tags="", mode="", size="")
        assert kwargs == {"count": 1, "name": " a ", "loud": False}

    def test_positional_only_and_spread_arguments(self):
        assert called("spread", 1) == ([1], {})
        assert called("spread", 1, last="q", extra=3) == ([1], {"last": "q", "extra": 3})
        assert called("spread", 1, 2, 3, 4) == ([1, 2, 3, 4], {})
        assert filled("spread", first=1, second="", rest="[7]", last="z", more='{"a": 1}') == (
            [1, 5, 7],
            {"last": "z", "a": 1},
        )

    def test_names_that_forms_use_themselves(self):
        assert called("awkward", 1, "d", check=False, form=5)[1] == {
            "prefix": 1, "data": "d", "check": False, "form": 5,
        }  # fmt: skip

    def test_secrets_travel_as_ciphertext(self):
        task = task_named(f"{NAME}login")
        form = task.form((), {"user": "u", "password": "hunter2", "settings": {"api_key": "k", "n": 1}})
        cleaned(form)
        stored = dict(zip(("args", "kwargs"), form.arguments(), strict=True))
        assert "hunter2" not in str(stored) and stored["kwargs"]["password"].startswith("encrypted:")
        assert task.initial(stored) == {"user": "u", "password": "••••••", "settings": {"api_key": "••••••", "n": 1}}

    def test_pydantic_models_are_sent_as_their_json(self):
        parcel = {"weight": 1.5, "to": {"street": "Sea Road"}}
        assert called("ship", parcel=parcel)[1] == {"parcel": parcel}
        assert filled("ship", parcel=json.dumps(parcel), note="")[1] == {"parcel": parcel, "note": ""}


class TestRefused:
    def test_calls_that_python_would_refuse(self):
        assert errors_of("add") == {"x": ["This parameter is required."]}
        assert "at most 2" in errors_of("add", 1, 2, 3)["args"][0]
        assert errors_of("add", 1, x=2) == {"x": ["Given twice: by position and by name."]}
        assert errors_of("add", 1, z=2) == {"z": ["Unknown parameter. The task takes: x, y."]}

    def test_values_of_the_wrong_type(self):
        errors = errors_of("typed", "one", "a", ratio="x", at="soon", mode="warp", tags=[1], options=[])
        assert set(errors) == {"count", "ratio", "at", "mode", "tags", "options"}
        assert errors["tags"] == ["Expected a JSON list of texts."]
        assert errors_of("typed", 1, "a", loud="yes") == {"loud": ["Expected true or false."]}
        assert errors_of("typed", None, "a") == {"count": ["Expected a value, not null."]}

    def test_models_say_what_is_wrong_in_them(self):
        errors = errors_of("ship", parcel={"weight": "heavy", "to": {"street": "s", "number": 0}})
        assert any("weight" in text for text in errors["parcel"]) and any("to.number" in t for t in errors["parcel"])

    @pytest.mark.parametrize("text", ["{", "NaN", "[" * 100_000, '"\\u0000"'])
    def test_what_is_no_json(self, text):
        with pytest.raises(Refused) as refused:
            filled("typed", count=1, name="a", options=text)
        assert set(refused.value.errors) == {"options"}

    @pytest.mark.parametrize("text", [r'["\ud83d"]', r'{"\ud83d": 1}', r'"a \ude00"'])
    def test_half_a_letter_is_refused_and_named(self, text):
        with pytest.raises(Refused) as refused:
            filled("add", x=text)
        assert refused.value.errors["x"][0].startswith(r"\ud83d" if "d83d" in text else r"\ude00")
        assert filled("add", x=r'"\ud83d\ude00"') == ([], {"x": "\N{GRINNING FACE}"})

    def test_extra_names_do_not_hide_parameters(self):
        with pytest.raises(Refused) as refused:
            filled("spread", first=1, more='{"last": 1}')
        assert "last" in refused.value.errors["more"][0]


class TestSchema:
    def test_of_typed_parameters(self):
        schema = schema_of(task_named(f"{NAME}typed"))
        assert schema["required"] == ["count", "name"]
        assert schema["properties"]["count"]["type"] == "integer"
        assert schema["properties"]["mode"]["enum"] == ["fast", "slow", 3]
        assert schema["properties"]["tags"]["items"] == {"type": "string"}
        assert schema["properties"]["ratio"]["default"] == 0.5

    def test_of_a_model_resolves_within_itself(self):
        from jsonschema import Draft202012Validator

        schema = schema_of(task_named(f"{NAME}ship"))
        check = Draft202012Validator(schema)
        assert check.is_valid({"parcel": {"weight": 1, "to": {"street": "s"}}})
        assert not check.is_valid({"parcel": {"weight": 1, "to": {"number": 2}}})


def test_what_was_shown_masked_is_not_stored_as_the_secret():
    """Any field may have begun with a mask: a whole value, a part of JSON, the password in an address."""
    for given in ("postgres://bob:••••••@db/shop", "••••••"):
        assert "give it again" in errors_of("login", user=given, password="p")["user"][0]
    assert "give it again" in errors_of("login", user="u", password="p", settings={"pin": "••••••"})["settings"][0]
