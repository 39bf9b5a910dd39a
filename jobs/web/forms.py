"""Any Django Form as our pages draw it: labels, help, errors, sections, the right input for each type."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from jobs.core.fields import SecretField, TrialField, UploadField
from jobs.models import Artifact
from jobs.web import words

#: Browsers' own inputs, with the one format that they read and send.
_NATIVE = (
    (forms.DateTimeInput, "datetime-local", "%Y-%m-%dT%H:%M"),
    (forms.DateInput, "date", "%Y-%m-%d"),
    (forms.TimeInput, "time", "%H:%M"),
)
_UNSTYLED = (forms.CheckboxInput, forms.RadioSelect, forms.CheckboxSelectMultiple, forms.HiddenInput)


@dataclass
class Section:
    """Fields under one title; `folded` ones can all be left alone, so they start closed."""

    title: str
    fields: list[BoundField] = field(default_factory=list)

    @property
    def folded(self) -> bool:
        return bool(self.title) and not any(each.field.required and each.field.initial is None for each in self.fields)

    @property
    def is_open(self) -> bool:
        return any(each.errors or _is_filled_in(each) for each in self.fields)


def _is_filled_in(bound: BoundField) -> bool:
    """Whether the form has a value of its own here: from an address, from another job, or as it was sent."""
    return str(bound.value()) not in (str(bound.field.initial), "None", "", "[]", "False")


def dressed(form: forms.BaseForm, marks: bool = True) -> forms.BaseForm:
    """The form, its widgets turned into the inputs that pages use."""
    for bound in form.fields.values():
        widget = bound.widget
        for cls, input_type, pattern in _NATIVE:
            if isinstance(widget, cls) and widget.input_type == "text":
                widget.input_type, widget.format = input_type, pattern
                break
        if isinstance(widget, forms.Textarea):
            widget.attrs.setdefault("rows", 5)
        if not isinstance(widget, _UNSTYLED):
            widget.attrs["class"] = f"{widget.attrs.get('class', '')} input".strip()
    if marks:
        _mark(form)
    return form


def _mark(form: forms.BaseForm) -> None:
    """Say "optional" or "required" beside a label: whichever are fewer, so that the eye finds what is special."""
    open_ended = [
        bound for bound in form.visible_fields() if bound.field.initial is None and not _always_has_value(bound)
    ]
    required = [bound for bound in open_ended if bound.field.required]
    optional = [bound for bound in open_ended if not bound.field.required]
    marked, word = (required, "required") if len(required) < len(optional) else (optional, "optional")
    for bound in marked:
        bound.mark = word  # type: ignore[attr-defined]


def _always_has_value(bound: BoundField) -> bool:
    return isinstance(bound.field, forms.ChoiceField | forms.BooleanField)


def plain_spoken(form: forms.Form) -> forms.Form:
    """The form, not validated yet, with messages that name the way out where Django's only name the rule."""
    for bound in form.fields.values():
        if bound.error_messages.get("required") == forms.Field.default_error_messages["required"]:
            bound.error_messages["required"] = "Choose a file." if isinstance(bound, UploadField) else "Fill this in."
    return form


def sections(form: forms.BaseForm) -> list[Section]:
    """The fields to fill in: those of no fieldset first, then the fieldsets that the Form declares."""
    declared: Iterable[tuple[str, Iterable[str]]] = getattr(form, "fieldsets", ())
    titles = {name: title for title, names in declared for name in names}
    found = {"": Section("")} | {title: Section(title) for title, _ in declared}
    for bound in form.visible_fields():
        if not isinstance(bound.field, TrialField):
            found[titles.get(bound.name, "")].fields.append(bound)
    return [section for section in found.values() if section.fields]


def trials(form: forms.BaseForm) -> list[BoundField]:
    """The fields that are buttons on a page where a job is submitted."""
    return [bound for bound in form.visible_fields() if isinstance(bound.field, TrialField)]


def upload_fields(form: forms.BaseForm) -> dict[str, UploadField]:
    return {name: each for name, each in form.fields.items() if isinstance(each, UploadField)}


def kept_name(name: str) -> str:
    """The input that carries the ids of files stored for a field already."""
    return f"{name}__kept"


def initial_from(form_class: type[forms.BaseForm], params: Mapping[str, Any]) -> dict[str, Any]:
    """Initial values from a job's parameters; files and secrets are not among them."""
    blank = form_class()
    return {
        name: _shown(each, params[name])
        for name, each in blank.fields.items()
        if name in params and not isinstance(each, UploadField | SecretField)
    }


def _shown(each: forms.Field, value: Any) -> Any:
    if isinstance(each, forms.DateTimeField) and isinstance(value, str) and (moment := parse_datetime(value)):
        return words.local(moment) if timezone.is_aware(moment) else moment
    return value


def with_kept(form: forms.BaseForm, kept: Mapping[str, list[Artifact]]) -> forms.BaseForm:
    """Give each upload field the stored files that its page offers again."""
    for name in upload_fields(form):
        form[name].kept = kept.get(name, [])  # type: ignore[attr-defined]
        form[name].kept_name = kept_name(name)  # type: ignore[attr-defined]
    return form
