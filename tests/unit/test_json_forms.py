"""Forms of JSON submissions, whose fields are copied lightly."""

import pytest
from django import forms

from jobs.core.errors import Refused
from jobs.core.kind import Kind
from jobs.submit.validate import bind, cleaned


class Strict(Kind):
    """Take a colour; `strict` narrows what is taken."""

    slug, label, pool = "test-strict", "Strict", "io"

    class Form(forms.Form):
        strict = forms.BooleanField(required=False)
        colour = forms.ChoiceField(choices=[("red", "Red"), ("blue", "Blue")], required=False)
        note = forms.CharField(required=False)

        def clean_strict(self):
            if self.cleaned_data["strict"]:
                self.fields["colour"].choices = [("red", "Red")]
                self.fields["note"].required = True
                self.fields["note"].max_length = 3
            return self.cleaned_data["strict"]

    def run(self, params, ctx):
        return params


def refused(params):
    with pytest.raises(Refused) as told:
        cleaned(bind(Strict, params))
    return set(told.value.errors)


def test_what_one_submission_does_to_its_fields_is_its_own():
    for _ in range(2):
        assert cleaned(bind(Strict, {"colour": "blue"}))["colour"] == "blue"
        assert refused({"strict": True, "colour": "blue"}) == {"colour", "note"}
        assert cleaned(bind(Strict, {"strict": True, "colour": "red", "note": "abc"}))["note"] == "abc"


def test_pages_never_see_what_a_submission_did_to_a_widget():
    assert refused({"strict": True}) == {"note"}
    assert "Blue" in str(Strict.Form()["colour"])
    assert "required" not in str(Strict.Form()["note"])
