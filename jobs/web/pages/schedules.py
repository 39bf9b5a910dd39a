"""Schedules: the list, one schedule with its runs, and the form that makes and changes them."""

import json
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db.models import Q
from django.forms import DateTimeField
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from jobs.core.access import is_operator
from jobs.core.errors import Conflict, OverQuota, Refused
from jobs.core.redaction import masked
from jobs.models import Schedule
from jobs.schedules import editor as work
from jobs.schedules.code import differences
from jobs.schedules.fire import run_now
from jobs.schedules.outlook import outlook
from jobs.schedules.rules import zone_of
from jobs.schedules.target import Target, edited_target_of, target_of
from jobs.web import words
from jobs.web.pages.rows import rows_of as job_rows
from jobs.web.pages.schedule_rows import rows_of, visible_to
from jobs.web.schedule_form import asked_target, choices, dress, editor_for, seen

PER_PAGE = 50


@login_required
@require_GET
def schedules(request: HttpRequest) -> HttpResponse:
    return render(request, "jobs/schedules.html", _listed(request))


@login_required
@require_GET
def rows(request: HttpRequest) -> HttpResponse:
    """The rows of the same page as they are now."""
    return render(request, "jobs/parts/schedule_rows.html", _listed(request))


def _listed(request: HttpRequest) -> dict[str, Any]:
    asked = request.GET.get("q", "").replace("\0", "").strip()[:200]
    found = visible_to(request.user)
    if asked:
        found = found.filter(Q(task__name__icontains=asked) | Q(task__task__icontains=asked))
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    return {
        "rows": rows_of(list(page.object_list)),
        "page": page,
        "asked": asked,
        "operator": is_operator(request.user),
        "here": reverse("schedules") + (f"?{request.GET.urlencode()}" if request.GET else ""),
        "rows_url": f"{reverse('schedules-rows')}?{request.GET.urlencode()}",
    }


@login_required
@require_GET
def schedule(request: HttpRequest, pk: int) -> HttpResponse:
    found = _find(request, pk)
    row = rows_of([found])[0]
    target = target_of(found.task)
    context = {
        "row": row,
        "outlook": outlook(found),
        "target": target,
        "params": _params(target, found),
        "rows": job_rows(row.runs)[0],
        "differences": differences(found),
        "operator": is_operator(request.user),
        "here": found.get_absolute_url(),
    }
    return render(request, "jobs/schedule.html", context)


def _params(target: Target, found: Schedule) -> list[dict[str, Any]]:
    """What is filled in, by the form's labels; secrets masked, files by name."""
    fields = target.form_class.base_fields
    rows = []
    for name, value in masked(target.values(found.task)).items():
        if value in (None, "", [], {}):
            continue
        label = (fields[name].label if name in fields else None) or name.replace("_", " ").capitalize()
        is_files = isinstance(value, list) and all(isinstance(item, dict) and "artifact" in item for item in value)
        if is_files:
            value = ", ".join(str(item.get("name")) for item in value)
        is_code = isinstance(value, dict | list)
        rows.append({"label": label, "value": json.dumps(value) if is_code else str(value), "is_code": is_code})
    return rows


@login_required
@require_http_methods(["GET", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """What to schedule; once chosen, its form."""
    _operators_only(request)
    target = asked_target(request)
    if target is None:
        return render(request, "jobs/schedule_choose.html", choices())
    return _form(request, editor_for(request, target))


@login_required
@require_http_methods(["GET", "POST"])
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    _operators_only(request)
    found = _find(request, pk)
    return _form(request, editor_for(request, asked_target(request) or edited_target_of(found.task), found))


def _form(request: HttpRequest, editor: work.Editor) -> HttpResponse:
    """The form, or once it is right the schedule's page; with "check" it is only looked at."""
    status = 200
    if request.method == "POST":
        valid = editor.is_valid()
        if valid and "check" not in request.POST:
            saved = editor.save(request.user, "form")
            messages.success(request, "Saved.")
            return redirect(saved)
        status = 200 if valid else 422
    context = {**dress(request, editor), "preview_url": _preview_url(editor)}
    return render(request, "jobs/schedule_form.html", context, status=status)


def _preview_url(editor: work.Editor) -> str:
    target = editor.target
    named = urlencode({"kind": target.kind.slug} if target.kind else {"task": target.task})
    return f"{reverse('schedule-preview')}?{named}" + (f"&schedule={editor.schedule.pk}" if editor.schedule else "")


@login_required
@require_POST
def preview(request: HttpRequest) -> HttpResponse:
    """Words, next runs and remarks of the form as it is filled in."""
    _operators_only(request)
    pk = request.GET.get("schedule", "")
    found = _find(request, int(pk)) if pk.isascii() and pk.isdigit() else None
    if found and request.GET.get("task") == found.task.task:
        target: Target | None = edited_target_of(found.task)  # which no installed app need have
    else:
        target = asked_target(request)
    if target is None:
        raise Http404("Name a kind or a task")
    return render(request, "jobs/parts/schedule_outlook.html", seen(editor_for(request, target, found)))


@login_required
@require_POST
def act(request: HttpRequest, pk: int) -> HttpResponse:
    """Run now, skip the next run or not, pause, resume; for operators also delete."""
    found = _find(request, pk)
    match request.POST.get("action"):
        case "run":
            try:
                job = run_now(found, request.user)
                messages.success(request, f"Started: {job.title}.")
            except (Refused, OverQuota, ValueError) as error:
                messages.error(request, f"It could not start: {error}")
        case "pause" | "resume" as action:
            work.switch(found, action == "resume", request.user, "form")
            messages.success(request, f"{found.task.name} is {'on' if action == 'resume' else 'paused'}.")
        case "skip" | "unskip" | "pause-until" as action:
            _put_off(request, found, action)
        case "delete":
            _operators_only(request)
            work.delete(found, request.user, "form")
            messages.success(request, f"{found.task.name} is deleted. Its jobs stay.")
            return redirect("schedules")
        case _:
            messages.warning(request, "Nothing was chosen.")
    back = request.POST.get("back", "")
    safe = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}, require_https=request.is_secure())
    return HttpResponseRedirect(back if safe else reverse("schedules"))


def _put_off(request: HttpRequest, found: Schedule, action: str) -> None:
    zone = zone_of(found.task)
    try:
        if action == "skip":
            slot = work.skip_next(found, request.user, "form").astimezone(zone)
            text = f"{found.task.name} skips the run of {slot:%Y-%m-%d %H:%M}."
        elif action == "unskip":
            work.unskip(found, request.user, "form")
            text = f"{found.task.name} skips no run."
        else:
            until = _moment(request.POST.get("until", ""), zone)
            work.pause_until(found, until, request.user, "form")
            text = f"{found.task.name} is paused until {until:%Y-%m-%d %H:%M}, {zone.key}."
        messages.success(request, text)
    except Refused as refused:
        messages.error(request, " ".join(refused.errors["paused_until"]))
    except Conflict as conflict:
        messages.error(request, str(conflict))


def _moment(text: str, zone: ZoneInfo) -> datetime:
    """What a browser's datetime-local input sends, as a time of the schedule's zone. Raises Refused."""
    with timezone.override(zone):
        try:
            moment = DateTimeField().clean(text)
        except ValidationError as error:
            raise Refused({"paused_until": [f"Until when? {' '.join(error.messages)}"]}) from error
    return words.local(moment, zone)


def _find(request: HttpRequest, pk: int) -> Schedule:
    found = visible_to(request.user).filter(pk=pk).first() if pk < 2**63 else None
    if found is None:
        raise Http404(f"No schedule {pk}")
    return found


def _operators_only(request: HttpRequest) -> None:
    if not is_operator(request.user):
        raise PermissionDenied("Only operators make and change schedules.")


urlpatterns = [
    path("schedules", schedules, name="schedules"),
    path("schedules/rows", rows, name="schedules-rows"),
    path("schedules/new", new, name="schedule-new"),
    path("schedules/preview", preview, name="schedule-preview"),
    path("schedules/<int:pk>", schedule, name="schedule"),
    path("schedules/<int:pk>/edit", edit, name="schedule-edit"),
    path("schedules/<int:pk>/act", act, name="schedule-act"),
]
