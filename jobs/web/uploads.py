"""Files of a form that is being filled in: stored when they come, offered again until they are sent; its secrets."""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, Protocol

from django import forms
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.datastructures import MultiValueDict

from jobs.core.access import may_see
from jobs.core.errors import OverQuota
from jobs.core.fields import FileRef, SecretField, UploadField
from jobs.core.kind import Kind
from jobs.core.redaction import MASK, opened
from jobs.models import Artifact
from jobs.submit import quota
from jobs.submit.files import store
from jobs.web.forms import kept_name, upload_fields
from jobs.workflows.ready import Ready

GIVE_AGAIN = "Give it again: what was stored cannot be read any more."


class HasParams(Protocol):
    """What a form starts from: a job, or a schedule's stored parameters."""

    params: Any


def accepted(kind: type[Kind]) -> str:
    """Suffixes that the kind's first upload field takes, with spaces between; "*" for any, "" where it has none."""
    for field in upload_fields(kind.Form()).values():
        return " ".join(field.accept) or "*"
    return ""


def given(request: HttpRequest, kind: type[Kind] | Ready) -> "MultiValueDict[str, Any]":
    """The files of each upload field: what was kept, then what came now (which replaces it where one is taken)."""
    files: MultiValueDict[str, Any] = MultiValueDict()
    for name, field in upload_fields(kind.Form()).items():
        fresh = request.FILES.getlist(name)
        kept = [_ref(artifact) for artifact in stored(request.user, request.POST.getlist(kept_name(name)))]
        files.setlist(name, [*kept, *fresh] if field.multiple else (fresh or kept))
    return files


def offered(request: HttpRequest, kind: type[Kind], source: HasParams | None) -> dict[str, list[Artifact]]:
    """The stored files that a fresh form starts with: those of what it is made from, or named in the address."""
    found = {}
    for name in upload_fields(kind.Form()):
        references = source.params.get(name) or [] if source else []
        ids = [*(reference["artifact"] for reference in references), *request.GET.getlist(kept_name(name))]
        found[name] = stored(request.user, ids)
    return found


def keep(request: HttpRequest, form: Any) -> dict[str, list[Artifact]]:
    """Store what was uploaded with a form that goes back to its sender; the files to offer again, by field."""
    kept = {}
    for name, field in upload_fields(form).items():
        files = form.files.getlist(name)
        refs = [file.artifact for file in files if isinstance(file, FileRef)]
        uploads = [file for file in files if not isinstance(file, FileRef)]
        kept[name] = stored(request.user, refs) + store_fitting(field, uploads, request.user)[0]
    return kept


def store_fitting(field: UploadField, files: Iterable[Any], user: Any) -> tuple[list[Artifact], list[str]]:
    """Store each file that the field takes. A file that it refuses is never kept: what is kept is not checked again.

    Answers the artifacts, and what was wrong with the others.
    """
    artifacts, errors = [], []
    for file in files:
        try:
            field.clean([file])
            quota.check_uploads(user, 1, file.size)
        except ValidationError as error:
            errors += error.messages
            continue
        except OverQuota as over:
            errors.append(str(over))
            continue
        artifact = store(file, user)
        artifact.save(force_insert=True)
        artifacts.append(artifact)
    return artifacts, errors


def answer(request: HttpRequest, form: forms.BaseForm) -> HttpResponse:
    """What a page gets for files that it sends as they are chosen: the ticked boxes that carry them, with what is
    wrong with the others; 422 where none is kept."""
    name = request.POST.get("field", "")
    field = upload_fields(form).get(name)
    if field is None:
        raise Http404(f"No file field {name}")
    kept, errors = store_fitting(field, request.FILES.getlist("file"), request.user)
    context = {"kept": kept, "name": kept_name(form.add_prefix(name)), "errors": errors}
    status = HTTPStatus.OK if kept else HTTPStatus.UNPROCESSABLE_ENTITY
    return render(request, "jobs/parts/kept_list.html", context, status=status)


def keep_secrets(form: forms.Form, old: Mapping[str, Any]) -> None:
    """A secret left empty is the old one; where nobody can read that any more, the form asks for it."""
    for name, field in form.fields.items():
        if not isinstance(field, SecretField) or not old.get(name):
            continue
        html_name, secret = form.add_prefix(name), _clear(old[name])
        if not secret:
            field.required, field.help_text, field.error_messages["required"] = True, GIVE_AGAIN, GIVE_AGAIN
        elif form.is_bound and not form.data.get(html_name):
            sent: Any = form.data
            form.data = sent.copy()
            form.data[html_name] = secret  # type: ignore[index]


def _clear(secret: Any) -> str:
    """Empty where another SECRET_KEY encrypted it, or a record has only its mask."""
    try:
        return opened(secret) if isinstance(secret, str) and secret != MASK else ""
    except ValueError:
        return ""


def _ref(artifact: Artifact) -> FileRef:
    return FileRef(artifact.id, artifact.name, artifact.size, artifact.path)


def stored(user: Any, ids: Iterable[str]) -> list[Artifact]:
    """Stored files by id, in that order, where the user may use them."""
    wanted = list(dict.fromkeys(str(each)[:32] for each in ids))
    # Without the job's parameters, which hold all its files: they would be read once for each of these.
    rows = Artifact.objects.select_related("job").only("name", "size", "path", "owner", "job__owner").in_bulk(wanted)
    return [rows[each] for each in wanted if each in rows and _may_use(user, rows[each])]


def _may_use(user: Any, artifact: Artifact) -> bool:
    return may_see(user, artifact.job.owner_id if artifact.job else artifact.owner_id)
