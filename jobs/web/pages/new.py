"""New job: the kinds as rows, then a kind's form with what will happen beside it."""

from http import HTTPStatus
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from jobs.core.access import is_operator, may_see, may_submit
from jobs.core.errors import Conflict, OverQuota, Refused
from jobs.core.kind import Kind
from jobs.core.registry import get_kind, kinds_for
from jobs.foreign.task import all_tasks
from jobs.models import Job
from jobs.submit.submission import Submission
from jobs.submit.terms import Terms
from jobs.web import uploads
from jobs.web.forms import dressed, initial_from, plain_spoken, sections, trials, upload_fields, with_kept
from jobs.web.pages.new_options import Options
from jobs.web.pages.new_preview import show, what_will_happen
from jobs.workflows.ready import ready_for


@login_required
@require_GET
def choose(request: HttpRequest) -> HttpResponse:
    """The kinds, each with one sentence; for operators other Celery tasks, too."""
    kinds = [
        {"kind": kind, "accept": uploads.accepted(kind), "field": next(iter(upload_fields(kind.Form())), "")}
        for kind in kinds_for(request.user)
    ]
    tasks = all_tasks() if is_operator(request.user) else []
    return render(request, "jobs/new.html", {"kinds": kinds, "tasks": tasks, "ready": ready_for(request.user)})


@login_required
@require_http_methods(["GET", "POST"])
def fill_in(request: HttpRequest, slug: str) -> HttpResponse:
    """A kind's form, filled in as the address says. POST submits it, or with "check" only shows what would be."""
    kind = _kind(request, slug)
    source = _source(request, kind)
    if request.method == "GET":
        initial = initial_from(kind.Form, source.params if source else request.GET.dict())
        form: forms.Form = kind.Form(initial=initial)
        uploads.keep_secrets(form, source.params if source else {})
        return _page(request, kind, form, Options(user=request.user, kind=kind, source=source),
                     source, uploads.offered(request, kind, source))  # fmt: skip
    form, options = _bound(request, kind, source)
    valid = all([form.is_valid(), options.is_valid()])
    if valid and "check" not in request.POST:
        try:
            return _accepted(request, _submit(request, kind, form, options, source))
        except (Refused, Conflict, OverQuota) as refusal:
            show(refusal, form, options)
            valid = False
    status = HTTPStatus.OK if valid else HTTPStatus.UNPROCESSABLE_ENTITY
    return _page(request, kind, form, options, source, uploads.keep(request, form), status)


@login_required
@require_POST
def preview(request: HttpRequest, slug: str) -> HttpResponse:
    """What will happen, as a fragment, while the form is being filled in."""
    kind = _kind(request, slug)
    form, options = _bound(request, kind, _source(request, kind))
    return render(request, "jobs/parts/preview.html", what_will_happen(kind, form, options))


@login_required
@require_POST
def upload(request: HttpRequest, slug: str) -> HttpResponse:
    """Store files as they are chosen."""
    return uploads.answer(request, _kind(request, slug).Form())


def _kind(request: HttpRequest, slug: str) -> type[Kind]:
    kind = get_kind(slug)
    if kind is None or not may_submit(request.user, kind):
        raise Http404(f"No kind {slug}")
    return kind


def _source(request: HttpRequest, kind: type[Kind]) -> Job | None:
    """The job named by ?from= whose parameters the form starts with. Raises Http404 where the user may not see it."""
    job_id = request.GET.get("from") or request.POST.get("from")
    if not job_id:
        return None
    job = Job.objects.filter(id=job_id, kind=kind.slug, is_kind=True).first()
    if job is None or not may_see(request.user, job.owner_id):
        raise Http404(f"No job {job_id}")
    return job


def _bound(request: HttpRequest, kind: type[Kind], source: Job | None) -> tuple[forms.Form, Options]:
    form = kind.Form(request.POST, uploads.given(request, kind))
    uploads.keep_secrets(form, source.params if source else {})
    return plain_spoken(form), Options(request.POST, user=request.user, kind=kind, source=source)


def _submit(request: HttpRequest, kind: type[Kind], form: forms.Form, options: Options, source: Job | None) -> Job:
    # A trial is not yet what the form is for: the browser's way back leads to the same page, and from it to the whole.
    pressed = "".join(f" {field.html_name}" for field in trials(form) if field.html_name in request.POST)
    key = request.POST.get("key", "")[:64]
    terms = Terms.of(kind, request.user, via="form", rerun_of=source, **options.chosen())
    return Submission.of(terms, form).accept(f"{key}{pressed}" if key else None)


def _accepted(request: HttpRequest, job: Job) -> HttpResponse:
    messages.success(request, "Scheduled." if job.waits_for_due else "Submitted.")
    return redirect(job)


def _page(request: HttpRequest, kind: type[Kind], form: forms.Form, options: Options, source: Job | None,
          kept: dict[str, list[Any]], status: int = HTTPStatus.OK) -> HttpResponse:  # fmt: skip
    context = {
        "kind": kind,
        "form": with_kept(dressed(form), kept),
        "options": dressed(options, marks=False),
        "sections": sections(form),
        "trials": trials(form),
        "preview_url": reverse("new-preview", args=[kind.slug]),
        "upload_url": reverse("new-upload", args=[kind.slug]),
        "source": source,
        "key": uuid4().hex,
        **(what_will_happen(kind, form, options) if form.is_bound else {}),
    }
    return render(request, "jobs/new_kind.html", context, status=status)


urlpatterns = [
    path("new", choose, name="new"),
    path("new/<slug:slug>", fill_in, name="new-kind"),
    path("new/<slug:slug>/preview", preview, name="new-preview"),
    path("new/<slug:slug>/upload", upload, name="new-upload"),
]
