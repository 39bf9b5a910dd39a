"""From what somebody sent to parameters that a worker can trust, through the kind's own Form."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.datastructures import MultiValueDict

from jobs.core.access import may_see
from jobs.core.errors import Refused, unknown
from jobs.core.fields import FileRef, SecretField, UploadField, secret_fields
from jobs.core.kind import Kind
from jobs.core.plain import plain
from jobs.core.redaction import MASK, StoredSecret, decrypt, encrypt, is_ciphertext
from jobs.core.twin import twin
from jobs.models import Artifact


def bind(kind: type[Kind], params: Mapping[str, Any], files: Any = None, user: Any = None) -> forms.Form:
    """The kind's Form, bound to parameters as JSON. Raises Refused for names that the form does not have."""
    plain_form = kind.Form.__init__ is forms.BaseForm.__init__
    blank = _blank(kind.Form) if plain_form else kind.Form()
    _check_names(kind, blank, params)
    given = MultiValueDict({name: list(files.getlist(name)) for name in files} if files else {})
    data: MultiValueDict[str, Any] = MultiValueDict()
    for name, field in blank.fields.items():
        if isinstance(field, UploadField):
            _add_stored_files(given, name, params.get(name), user)
        elif name in params:
            _add_value(data, name, field, params[name])
        else:
            _add_value(data, name, field, blank.get_initial_for_field(field, name))
    if not plain_form:
        return kind.Form(data, given)  # what it does when it is made may depend on what it is bound to
    # As Django's own constructor does it.
    blank.data, blank.files, blank.is_bound = data, given, True
    return blank


def _blank(form_class: Any) -> Any:
    """An unbound form, of a class with Django's own constructor.

    Django copies each field with all that hangs on it, which takes longer than checking the values. Here a field is
    copied by itself, so that a `clean` may set what it likes on it; its widget and validators are shared with others.
    """
    form = twin(_first(form_class))
    form._bound_fields_cache = {}
    form.fields = {name: twin(field) for name, field in form.fields.items()}
    return form


@cache
def _first(form_class: Any) -> Any:
    # With "" Django need not look its own suffix up in the translations of each of ten thousand forms.
    return form_class(label_suffix="")


def check_names(kind: type[Kind], params: Mapping[str, Any]) -> None:
    """Raises Refused for parameters that the kind does not have."""
    _check_names(kind, kind.Form(), params)


def _check_names(kind: type[Kind], form: forms.Form, params: Mapping[str, Any]) -> None:
    if names := [name for name in params if name not in form.fields]:
        raise Refused(unknown(names, f"Unknown parameter. {kind.label} takes: {', '.join(form.fields)}."))


def _add_value(data: "MultiValueDict[str, Any]", name: str, field: forms.Field, value: Any) -> None:
    """What the field's widget would have sent for a JSON value."""
    if value is None or value is False:
        return
    if isinstance(value, bool):
        data[name] = "on"
    elif isinstance(value, list | tuple) and not isinstance(field, forms.JSONField):
        data.setlist(name, [_text(item) for item in value])
    elif isinstance(field, forms.JSONField):
        data[name] = value if isinstance(value, str) else json.dumps(value)
    elif isinstance(field, SecretField) and isinstance(value, StoredSecret):
        data[name] = _clear(name, value)
    elif isinstance(field, SecretField) and value == MASK:
        raise Refused({name: ["The stored secret cannot be read back: give it again."]})
    else:
        data[name] = _text(value)


def out_of_a_row(kind: type[Kind], params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters that a row of ours holds, ready to be bound again: the ciphertexts of its secret fields are known as
    such."""
    secrets = secret_fields(kind)
    return {
        name: StoredSecret(value) if name in secrets and is_ciphertext(value) else value
        for name, value in params.items()
    }


def _clear(name: str, secret: str) -> str:
    try:
        return decrypt(secret)
    except ValueError as error:
        raise Refused({name: ["The stored secret cannot be read: give it again."]}) from error


def _text(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def _add_stored_files(given: "MultiValueDict[str, Any]", name: str, value: Any, user: Any) -> None:
    """Files named by their artifact's id (or by the reference that holds it), where the user may see them."""
    items = list(_each_file(value))
    if not items:
        return
    rows = Artifact.objects.select_related("job").only("name", "size", "path", "owner", "job__owner")
    by_id = rows.in_bulk({_id_of(item) for item in items})
    for item in items:
        artifact = by_id.get(_id_of(item))
        if artifact is None or not _may_use(user, artifact):
            # Another row of the same file may do: reruns outlive the job that it came with.
            path = item.get("path") if isinstance(item, Mapping) else ""
            same = rows.filter(path=str(path)[:500]) if path else []
            artifact = next((row for row in same if _may_use(user, row)), None)
        if artifact is None:
            named = item.get("artifact") if isinstance(item, Mapping) else item
            raise Refused(
                {name: [f"No stored file {str(named)[:80]!r}. Upload one, or name an artifact of a job of yours."]}
            )
        given.appendlist(name, FileRef(artifact.id, artifact.name, artifact.size, artifact.path))


def _each_file(value: Any) -> Iterator[Any]:
    """Lists within the list too: a workflow's step may name files of its own beside all of the step before."""
    for item in value if isinstance(value, list | tuple) else [value]:
        if isinstance(item, list):
            yield from _each_file(item)
        elif item not in (None, ""):
            yield item


def _id_of(item: Any) -> str:
    return str(item.get("artifact") if isinstance(item, Mapping) else item)[:32]


def _may_use(user: Any, artifact: Artifact) -> bool:
    if user is None:
        return True  # the command line and schedules, whose owner was checked when they were made
    return may_see(user, artifact.job.owner_id if artifact.job else artifact.owner_id)


def cleaned(form: forms.Form) -> dict[str, Any]:
    """The form's cleaned data. Raises Refused with every bad field; "__all__" stands for the form as a whole."""
    if not form.is_valid():
        raise Refused({field: [str(text) for text in texts] for field, texts in form.errors.items()})
    return form.cleaned_data


def to_json(form: forms.Form, data: Mapping[str, Any]) -> dict[str, Any]:
    """Cleaned data as parameters: JSON, files not among them, secrets as ciphertext."""
    params = {}
    for name, field in form.fields.items():
        if isinstance(field, UploadField):
            continue
        value = plain(data.get(name))
        params[name] = encrypt(value) if isinstance(field, SecretField) and value else value
    return params


def uploads(form: forms.Form, data: Mapping[str, Any]) -> dict[str, list[UploadedFile | FileRef]]:
    """The files of each UploadField."""
    return {name: data.get(name) or [] for name, field in form.fields.items() if isinstance(field, UploadField)}
