"""New workflow: a form that grows by one step at a time, with or without scripts."""

from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods, require_POST

from jobs.core.access import is_operator
from jobs.core.errors import Conflict, OverQuota, Refused
from jobs.core.fields import SecretField, UploadField
from jobs.core.registry import kinds_for
from jobs.foreign.task import all_tasks
from jobs.models import Job, Workflow
from jobs.web import uploads
from jobs.web.forms import dressed, kept_name, sections
from jobs.web.pages.rows import Row
from jobs.web.pages.workflow_graph import Drawing, boxes_of, draw
from jobs.web.workflow_form import MOST_STEPS, Builder, FormStep, built, empty, is_number, target_of
from jobs.workflows.build import submit_workflow
from jobs.workflows.outlook import Graph
from jobs.workflows.ready import ready_for
from jobs.workflows.spec import read


@login_required
@require_http_methods(["GET", "POST"])
def build(request: HttpRequest) -> HttpResponse:
    """The form. POST submits it; with "do" it comes back with a step more, a step less, or two of them exchanged."""
    if request.method == "GET":
        return _page(request, empty())
    builder = built(request)
    if "do" in request.POST:
        builder.leave_unchecked()
        return _page(request, builder, _change(request, builder))
    if builder.is_valid():
        key = request.POST.get("key", "")[:64] or None
        try:
            workflow = submit_workflow(builder.spec(), user=request.user, via="form", idempotency_key=key)
        except Refused as refused:
            builder.show(refused.errors)
        except Conflict as conflict:
            sent = key and Workflow.objects.filter(owner=request.user.pk, idempotency_key=key).exists()
            again = "This form was sent before with other values. Send it again to make another workflow."
            builder.whole.add_error(None, again if sent else str(conflict))
        except OverQuota as over:
            builder.whole.add_error(None, str(over))
        else:
            messages.success(request, "Submitted.")
            return redirect(workflow)
    return _page(request, builder, status=HTTPStatus.UNPROCESSABLE_ENTITY)


@login_required
@require_POST
def outline(request: HttpRequest) -> HttpResponse:
    """The drawing of the steps as they are chosen, as a fragment."""
    builder = built(request, keep_files=False)
    return render(request, "jobs/parts/workflow_outline.html", {"drawing": _drawing(builder), "planned": True})


@login_required
@require_POST
def upload(request: HttpRequest) -> HttpResponse:
    """Store files of a step as they are chosen."""
    target = target_of(request.GET.get("of", ""), request.user)
    number = request.GET.get("step", "")
    if target is None or not is_number(number):
        raise Http404("No such step")
    return uploads.answer(request, target.Form(prefix=f"s{number}-p"))


def _change(request: HttpRequest, builder: Builder) -> FormStep | None:
    """Do what the pressed button says; answers the step that was added or moved."""
    what, _, number = request.POST["do"].partition(":")
    if what == "add":
        target = target_of(request.POST.get("add", ""), request.user)
        if target is None:
            builder.whole.add_error(None, "Choose what the next step is to do.")
        elif len(builder.steps) >= MOST_STEPS:
            builder.whole.add_error(None, f"This form takes {MOST_STEPS} steps; the API takes more.")
        else:
            return builder.add(target)
    step = next((one for one in builder.steps if str(one.number) == number), None)
    if step and what == "remove":
        builder.remove(step)
    elif step and what == "up":
        builder.move_up(step)
        return step
    return None


def _page(
    request: HttpRequest, builder: Builder, opened: FormStep | None = None, status: int = HTTPStatus.OK
) -> HttpResponse:
    """opened: the step that the reader is at."""
    context = {
        "whole": dressed(builder.whole, marks=False),
        "steps": [
            _shown(step) | {"open": step is opened or step.has_errors, "is_new": step is opened}
            for step in builder.steps
        ],
        "wrong": [step for step in builder.steps if step.has_errors],
        "drawing": _drawing(builder),
        "planned": True,
        "next": max((step.number for step in builder.steps), default=0) + 1,
        "kinds": kinds_for(request.user),
        "tasks": all_tasks() if is_operator(request.user) else [],
        "ready": ready_for(request.user),
        "key": uuid4().hex,
    }
    return render(request, "jobs/workflow_new.html", context, status=status)


def _shown(step: FormStep) -> dict[str, Any]:
    form = dressed(step.form)
    for name, each in form.fields.items():
        widget: Any = each.widget
        if not step.is_first and getattr(widget, "input_type", "") == "number":
            widget.input_type = "text"  # for ${…}
            widget.attrs["inputmode"] = "decimal"
        bound: Any = form[name]
        if isinstance(each, UploadField):
            bound.kept, bound.kept_name = step.kept.get(name, []), kept_name(bound.html_name)
            bound.can_come, bound.comes, bound.names = (
                not step.is_first,
                name in step.from_before,
                step.from_before.get(name),
            )
        elif isinstance(each, SecretField):
            bound.secret = step.signed.get(name, "")
    return {
        "step": step,
        "form": form,
        "sections": sections(form),
        "options": dressed(step.options, marks=False),
        "upload_url": f"{reverse('workflow-upload')}?{urlencode({'of': step.of, 'step': step.number})}",
    }


def _drawing(builder: Builder) -> Drawing | None:
    """The steps as boxes, in the order in which they will run; None where there is none yet."""
    if not builder.steps:
        return None
    planned = read(builder.outline())
    by_path = {step.path: step for step in builder.steps}
    jobs = []
    for number, one in enumerate(planned):
        step = by_path[one.path]
        jobs.append(
            Job(pk=number, id=f"step-{step.number}", title=step.name, kind=step.how, is_kind=False, blocked=True)
        )
    before = {number: one.before for number, one in enumerate(planned)}
    return draw(boxes_of(Graph(jobs, before), {job.pk: Row(job) for job in jobs}, fold=MOST_STEPS + 1))


urlpatterns = [
    path("workflows/new", build, name="workflow-new"),
    path("workflows/outline", outline, name="workflow-outline"),
    path("workflows/upload", upload, name="workflow-upload"),
]
