"""New job: the form of a Celery task that is no kind, made from its signature; for operators."""

from http import HTTPStatus
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods, require_POST

from jobs.core.errors import Conflict, OverQuota, Refused
from jobs.foreign.form import TaskForm
from jobs.foreign.task import ForeignTask, task_named
from jobs.models import Job
from jobs.submit.submission import Submission
from jobs.submit.terms import Terms
from jobs.web import uploads
from jobs.web.forms import dressed, plain_spoken, sections
from jobs.web.pages.new_options import Options
from jobs.web.pages.new_preview import show, what_will_happen
from jobs.web.pages.operators import operators_only

#: Keeps the names of parameters apart from those of the page's own inputs.
PREFIX = "arg"


@require_http_methods(["GET", "POST"])
@operators_only
def fill_in(request: HttpRequest, name: str) -> HttpResponse:
    """A task's form. POST submits it, or with "check" only shows what would happen."""
    task = _task(name)
    source = _source(request, task)
    if request.method == "GET":
        initial = task.initial(source.params) if source else {}
        form = task.Form(initial=initial, prefix=PREFIX)
        _keep_secrets(form, task, source)
        return _page(request, task, form, Options(user=request.user, kind=task, source=source), source)
    form, options = _bound(request, task, source)
    valid = all([form.is_valid(), options.is_valid()])
    if valid and "check" not in request.POST:
        try:
            job = _submit(request, task, form, options, source)
        except (Refused, Conflict, OverQuota) as refusal:
            show(refusal, form, options)
            valid = False
        else:
            messages.success(request, "Scheduled." if job.waits_for_due else "Submitted.")
            return redirect(job)
    status = HTTPStatus.OK if valid else HTTPStatus.UNPROCESSABLE_ENTITY
    return _page(request, task, form, options, source, status)


@require_POST
@operators_only
def preview(request: HttpRequest, name: str) -> HttpResponse:
    """What will happen, as a fragment, while the form is being filled in."""
    task = _task(name)
    form, options = _bound(request, task, _source(request, task))
    return render(request, "jobs/parts/preview.html", what_will_happen(task, form, options))


def _task(name: str) -> ForeignTask:
    task = task_named(name)
    if task is None:
        raise Http404(f"No Celery task {name}")
    return task


def _source(request: HttpRequest, task: ForeignTask) -> Job | None:
    """The job named by ?from= whose arguments the form starts with."""
    job_id = request.GET.get("from") or request.POST.get("from")
    if not job_id:
        return None
    job = Job.objects.filter(id=job_id, kind=task.name, is_kind=False).first()
    if job is None:
        raise Http404(f"No job {job_id}")
    return job


def _bound(request: HttpRequest, task: ForeignTask, source: Job | None) -> tuple[TaskForm, Options]:
    """Both forms as sent; a secret left empty is the source's."""
    form = task.Form(request.POST, prefix=PREFIX)
    _keep_secrets(form, task, source)
    return plain_spoken(form), Options(request.POST, user=request.user, kind=task, source=source)  # type: ignore[return-value]


def _keep_secrets(form: forms.Form, task: ForeignTask, source: Job | None) -> None:
    uploads.keep_secrets(form, task.values(source.params) if source else {})


def _submit(request: HttpRequest, task: ForeignTask, form: TaskForm, options: Options, source: Job | None) -> Job:
    terms = Terms.of_task(task, request.user, via="form", rerun_of=source, **options.chosen())
    return Submission.of_call(terms, form).accept(request.POST.get("key", "")[:64] or None)


def _page(request: HttpRequest, task: ForeignTask, form: TaskForm, options: Options, source: Job | None,
          status: int = HTTPStatus.OK) -> HttpResponse:  # fmt: skip
    context: dict[str, Any] = {
        "kind": task,
        "form": dressed(form),
        "options": dressed(options, marks=False),
        "sections": sections(form),
        "source": source,
        "key": uuid4().hex,
        "preview_url": reverse("new-task-preview", args=[task.name]),
        **(what_will_happen(task, form, options) if form.is_bound else {}),
    }
    return render(request, "jobs/new_kind.html", context, status=status)


urlpatterns = [
    path("new/task/<any-id:name>/preview", preview, name="new-task-preview"),
    path("new/task/<any-id:name>", fill_in, name="new-task"),
]
