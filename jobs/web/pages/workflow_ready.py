"""A ready-made workflow's form, with what will happen beside it."""

from http import HTTPStatus
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods, require_POST

from jobs.core.errors import Conflict, OverQuota, Refused
from jobs.core.registry import get_kind
from jobs.models import Artifact, Workflow
from jobs.submit.files import reference
from jobs.submit.validate import to_json
from jobs.web import uploads
from jobs.web.forms import dressed, initial_from, plain_spoken, sections, with_kept
from jobs.web.pages.new_preview import what_will_happen
from jobs.workflows.build import submit_workflow
from jobs.workflows.ready import Ready, all_ready, may_use


@login_required
@require_http_methods(["GET", "POST"])
def fill_in(request: HttpRequest, slug: str) -> HttpResponse:
    """The form, filled in as the address says. POST submits it, or with "check" only shows what would be."""
    ready = _ready(request, slug)
    if request.method == "GET":
        form = ready.Form(initial=initial_from(ready.Form, request.GET.dict()))
        return _page(request, ready, form, {})
    form = _bound(request, ready)
    form.is_valid()
    kept = uploads.keep(request, form)
    if form.is_valid() and "check" not in request.POST:
        try:
            workflow = _submit(request, ready, form, kept)
        except (Refused, Conflict, OverQuota) as refusal:
            _show(refusal, form)
        else:
            messages.success(request, "Submitted.")
            return redirect(workflow)
    status = HTTPStatus.OK if form.is_valid() else HTTPStatus.UNPROCESSABLE_ENTITY
    return _page(request, ready, form, kept, status)


@login_required
@require_POST
def preview(request: HttpRequest, slug: str) -> HttpResponse:
    """What will happen, as a fragment, while the form is being filled in."""
    ready = _ready(request, slug)
    return render(request, "jobs/parts/preview.html", what_will_happen(ready, _bound(request, ready)))


@login_required
@require_POST
def upload(request: HttpRequest, slug: str) -> HttpResponse:
    """Store files as they are chosen."""
    return uploads.answer(request, _ready(request, slug).Form())


def _ready(request: HttpRequest, slug: str) -> Ready:
    ready = all_ready().get(slug)
    if ready is None or not may_use(request.user, ready):
        raise Http404(f"No ready-made workflow {slug}")
    return ready


def _bound(request: HttpRequest, ready: Ready) -> forms.Form:
    return plain_spoken(ready.Form(request.POST, uploads.given(request, ready)))


def _submit(request: HttpRequest, ready: Ready, form: forms.Form, kept: dict[str, list[Artifact]]) -> Workflow:
    stored = {name: [reference(artifact) for artifact in artifacts] for name, artifacts in kept.items()}
    spec = ready.spec(to_json(form, form.cleaned_data) | stored)
    key = request.POST.get("key", "")[:64] or None
    return submit_workflow(spec, user=request.user, via="form", idempotency_key=key)


def _show(refusal: Exception, form: forms.Form) -> None:
    """Put a refusal beside the fields that it names, the rest above the form."""
    if isinstance(refusal, Refused):
        for name, texts in refusal.errors.items():
            field = name.rpartition(".")[2]  # of chain[3].params.subject
            form.add_error(field if field in form.fields else None, texts)
    elif isinstance(refusal, Conflict):
        form.add_error(None, "This form was sent before with other values. Send it again to make another workflow.")
    else:
        form.add_error(None, str(refusal))


def _page(
    request: HttpRequest, ready: Ready, form: forms.Form, kept: dict[str, list[Artifact]], status: int = HTTPStatus.OK
) -> HttpResponse:
    steps: list[tuple[Any, str]] = [(get_kind(slug), sentence) for slug, sentence in ready.steps]
    context = {
        "ready": ready,
        "steps": steps,
        "form": with_kept(dressed(form), kept),
        "sections": sections(form),
        "preview_url": reverse("workflow-ready-preview", args=[ready.slug]),
        "upload_url": reverse("workflow-ready-upload", args=[ready.slug]),
        "key": uuid4().hex,
        **(what_will_happen(ready, form) if form.is_bound else {}),
    }
    return render(request, "jobs/workflow_ready.html", context, status=status)


urlpatterns = [
    path("workflows/new/<slug:slug>", fill_in, name="workflow-ready"),
    path("workflows/new/<slug:slug>/preview", preview, name="workflow-ready-preview"),
    path("workflows/new/<slug:slug>/upload", upload, name="workflow-ready-upload"),
]
