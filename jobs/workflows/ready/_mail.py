"""The last step of ready-made workflows: a mail that tells of what was made."""

from collections.abc import Mapping
from typing import Any

from django import forms

from jobs.kinds._email.addresses import AddressesField
from jobs.kinds.email import SendEmail
from jobs.submit.validate import bind
from jobs.workflows import values

FIELDS = ("to", "subject", "text")
FIELDSET = ("Mail", FIELDS)


def subject_field(initial: str) -> forms.CharField:
    return forms.CharField(label="Subject", max_length=500, initial=initial)


def text_field(initial: str) -> forms.CharField:
    return forms.CharField(
        label="Text",
        max_length=100_000,
        initial=initial,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="${link} becomes the address of the page with the result.",
    )


class MailForm(forms.Form):
    """Subclasses add `subject` and `text`. What the kind email would refuse at the end is refused at once."""

    to = AddressesField(label="To", help_text="Addresses with commas between. They see each other.")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        errors: dict[str, Any] = bind(SendEmail, params_of(data)).errors
        for name in FIELDS:
            if name in data:
                for text in [*values.check(data[name]), *errors.get(name, ())]:
                    self.add_error(name, text)
        return data


def params_of(cleaned: Mapping[str, Any]) -> dict[str, Any]:
    return {name: cleaned[name] for name in FIELDS if name in cleaned}


def rows(cleaned: Mapping[str, Any]) -> list[tuple[str, str]]:
    """As a preview shows it."""
    return [("Mail to", ", ".join(cleaned["to"]))]
