"""The first page: one sentence about everything, what needs somebody, what runs."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_safe

from jobs.browse.failures import failed_since
from jobs.browse.live import overlay
from jobs.core.access import is_operator
from jobs.core.registry import all_kinds
from jobs.core.states import State
from jobs.models import Job
from jobs.schedules.agenda import agenda
from jobs.web import words
from jobs.web.pages.chart import durations, per_minute
from jobs.web.warnings import CAP, RECENT, all_warnings, capped, counted, waiting_now, waiting_since

RUNNING_SHOWN = 20
FAILED_SHOWN = 10


@login_required
@require_safe
def overview(request: HttpRequest) -> HttpResponse:
    """For operators; submitters are led to their own jobs."""
    if not is_operator(request.user):
        return redirect("jobs")
    context = state_of_all(timezone.now())
    context["kinds"] = list(all_kinds().values())[:3] if context["is_first_run"] else []
    return render(request, _template(request), context)


def _template(request: HttpRequest) -> str:
    return "jobs/parts/overview.html" if request.headers.get("HX-Request") else "jobs/overview.html"


def state_of_all(now: datetime) -> dict[str, Any]:
    """What the page shows: the sentence, the warnings, the running jobs, the recent failures, what comes."""
    waiting, running = waiting_now(now), Job.objects.filter(state=State.STARTED)
    began = waiting_since(now).values()
    waits = now - min(began) if began else None
    warnings, failed = all_warnings(now), failed_since(now - RECENT, CAP + 1)
    return {
        "sentence": sentence(capped(running), capped(waiting), waits, len(warnings)),
        "warnings": warnings,
        "running": with_progress(running.select_related("owner").order_by("-created", "-seq")[:RUNNING_SHOWN]),
        "failed": failed.select_related("owner").order_by("-created", "-seq")[:FAILED_SHOWN],
        "agenda": agenda(now),
        "chart": per_minute(now),
        "durations": [chart for measure in ("wait", "run") if (chart := durations(measure, now))],
        "is_first_run": not Job.objects.exists(),
    }


def with_progress(jobs: Iterable[Job]) -> list[dict[str, Any]]:
    """Each job as it stands now, with its progress."""
    rows = list(jobs)
    live = overlay(rows)
    return [{"job": job, "progress": found.progress if (found := live.get(job)) else None} for job in rows]


def sentence(running: int, waiting: int, oldest: timedelta | None, warnings: int) -> str:
    """All well. 3 running, 14 queued, oldest waiting 4 s."""
    if warnings:
        first = "1 thing needs you." if warnings == 1 else f"{warnings} things need you."
    else:
        first = "All well."
    if not running and not waiting:
        return f"{first} Nothing is running."
    parts = [f"{counted(running)} running", f"{counted(waiting)} queued"]
    if oldest is not None:
        parts.append(f"oldest waiting {words.duration(oldest)}")
    return f"{first} {', '.join(parts)}."


urlpatterns = [path("", overview, name="overview")]
