"""What a form on the page "New job" says before it is sent: what will happen, what is missing, what was refused."""

import logging
from typing import Any

from django import forms

from jobs.core.errors import Conflict, Refused
from jobs.core.kind import Kind
from jobs.foreign.task import ForeignTask
from jobs.web.pages.new_options import Options
from jobs.workflows.ready import Ready

log = logging.getLogger(__name__)


def show(refusal: Exception, form: forms.Form, options: Options) -> None:
    """Put a refusal beside the fields that it names, the rest above the form."""
    if isinstance(refusal, Conflict):
        form.add_error(None, "This form was sent before with other values. Send it again to make another job.")
    elif not isinstance(refusal, Refused):
        form.add_error(None, str(refusal))
    else:
        for name, texts in refusal.errors.items():
            target = options if name in options.fields and name not in form.fields else form
            target.add_error(name if name in target.fields else None, texts)


def what_will_happen(
    kind: type[Kind] | ForeignTask | Ready, form: forms.Form, options: Options | None = None
) -> dict[str, Any]:
    """What the fragment shows: rows where the form is right, else what is missing or wrong."""
    if form.is_valid():
        starts = options.preview() if options else []
        try:
            rows = [*kind.preview(form.cleaned_data), *starts]
        except Exception:
            # A kind's preview may not stand between people and their job.
            log.exception("the preview of %s failed", kind.label)
            rows = starts
        return {"rows": rows, "ready": True}
    missing, hints, wrong = [], [], []
    for field in form.visible_fields():
        if not field.errors:
            continue
        text = " ".join(map(str, field.errors))
        if any(error.code == "required" for error in form.errors.as_data()[field.name]):
            missing.append(field.label)
        elif not field.data:
            # Not wrong yet: nobody has got to it.
            hints.append(text)
        else:
            wrong.append((field.label, text))
    return {"missing": missing, "hints": [*hints, *form.non_field_errors()], "wrong": wrong}
