"""Parameters that are not all known yet, those of a workflow's step: what is known of them is checked."""

from collections.abc import Callable, Mapping
from typing import Any

from django.core.exceptions import ValidationError

from jobs.core.errors import Refused
from jobs.core.fields import SecretField, UploadField
from jobs.core.kind import Kind
from jobs.core.redaction import encrypt
from jobs.models.artifact import new_artifact_id
from jobs.submit.submission import Draft, row_of
from jobs.submit.terms import Terms
from jobs.submit.validate import bind, check_names, cleaned


def drafted_template(
    named: str | type[Kind],
    params: Mapping[str, Any],
    is_open: Callable[[Any], bool],
    *,
    user: Any,
    **terms: Any,
) -> Draft:
    """A blocked job of a kind. is_open: whether a parameter's value is still to be made of others' results.

    terms: those of `Terms.of`.

    Where all is known, all is checked; else each field alone. Raises Refused with every bad field.
    """
    agreed = Terms.of(named, user, blocked=True, **terms)
    kind = agreed.kind
    assert kind is not None
    unknown = {name for name, value in params.items() if is_open(value)}
    check_names(kind, params)
    form = bind(kind, {name: value for name, value in params.items() if name not in unknown}, None, user)
    if unknown:
        errors = {}
        for name, field in form.fields.items():
            if name not in unknown:
                try:
                    field.clean(field.widget.value_from_datadict(form.data, form.files, name))
                except ValidationError as error:
                    errors[name] = list(error.messages)
        if errors:
            raise Refused(errors)
    else:
        cleaned(form)
    template = {
        name: encrypt(value) if isinstance(form.fields[name], SecretField) and value and name not in unknown else value
        for name, value in params.items()
    }
    stored: list[Any] = [upload for name in form.files for upload in form.files.getlist(name)]
    if in_part := _files_in(form, params, unknown, is_open):
        beside = bind(kind, in_part, None, user).files
        stored += [upload for name in beside for upload in beside.getlist(name)]
    # What a step names must be there when it starts, however late: uploads that no job has go after a day.
    ids = {upload.artifact: new_artifact_id() for upload in stored}
    for name, each in form.fields.items():
        if isinstance(each, UploadField) and name in template:
            template[name] = _renamed(template[name], ids)
    return Draft(row_of(agreed, template), list(ids), ids)


def _files_in(
    form: Any, params: Mapping[str, Any], unknown: set[str], is_open: Callable[[Any], bool]
) -> dict[str, list[Any]]:
    """Of fields of which a part is known, the stored files in it."""
    return {
        name: [item for item in params[name] if not is_open(item)]
        for name in unknown
        if isinstance(form.fields.get(name), UploadField) and isinstance(params[name], list)
    }


def _renamed(value: Any, ids: Mapping[str, str]) -> Any:
    """The files in it by their ids in `ids`."""
    if isinstance(value, list):
        return [_renamed(item, ids) for item in value]
    if isinstance(value, Mapping):
        return {**value, "artifact": ids.get(value.get("artifact", ""), value.get("artifact"))}
    return ids.get(value, value)
