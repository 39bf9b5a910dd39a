"""The page Job: one job, live, and what can be done with it."""

import json
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from jobs import submit
from jobs.browse import detail
from jobs.browse.detail import Seen
from jobs.browse.filters import Query
from jobs.browse.page import neighbours
from jobs.browse.represent import links
from jobs.core import priorities
from jobs.core.access import is_operator
from jobs.core.errors import Conflict
from jobs.core.redaction import masked
from jobs.core.states import State, known, shown_as
from jobs.foreign.task import task_named
from jobs.models import Attempt, Job
from jobs.web import words
from jobs.web.pages import artifacts, job_words, offers
from jobs.web.pages.result import shown
from jobs.web.pages.rows import Row
from jobs.web.pages.traceback import pieces

TABS = {"attempts": "Attempts", "log": "Log", "result": "Result", "parameters": "Parameters", "history": "History"}


@login_required
@require_GET
def job(request: HttpRequest, job_id: str) -> HttpResponse:
    found = detail.find(job_id, request.user)
    if found is None:
        return _gone(request, job_id)
    seen = detail.see(found)
    operator = is_operator(request.user)
    newer, older = neighbours(Query(owner=None if operator else request.user.pk), found)
    context = {
        **_live_context(request, seen),
        "newer": newer,
        "older": older,
        "reruns": detail.reruns_of(found),
        "priority": priorities.NAMES.get(found.priority, found.priority),
        "curl": f'curl -H "Authorization: Bearer $TOKEN" {settings.BASE_URL}{links(found)["self"]}',
    }
    return render(request, "jobs/job.html", context)


@login_required
@require_GET
def live(request: HttpRequest, job_id: str) -> HttpResponse:
    """What moves on the page, as it is now."""
    found = detail.find(job_id, request.user)
    if found is None:
        return HttpResponse(status=404)
    return render(request, "jobs/parts/job_live.html", _live_context(request, detail.see(found)))


def _act(action: Callable[..., Job], said: str) -> Any:
    @login_required
    @require_POST
    def view(request: HttpRequest, job_id: str) -> HttpResponse:
        found = detail.find(job_id, request.user)
        if found is None:
            return _gone(request, job_id)
        try:
            after = action(found, request.user, via="form")
            messages.success(request, said if not after.is_final else f"{after.shown_word}.")
        except Conflict as conflict:
            messages.warning(request, str(conflict))
        except ConnectionError:
            messages.warning(request, "Redis does not answer: nothing was changed.")
        return HttpResponseRedirect(found.get_absolute_url())

    return view


def _gone(request: HttpRequest, job_id: str) -> HttpResponse:
    context = {"job_id": job_id if len(job_id) <= 36 else f"{job_id[:36]}…", "days": settings.RETENTION_DAYS}
    return render(request, "jobs/job_gone.html", context, status=404)


def _live_context(request: HttpRequest, seen: Seen) -> dict[str, Any]:
    job, operator = seen.job, is_operator(request.user)
    attempts = detail.attempts_of(seen)
    tab = request.GET.get("tab", "")
    chosen = tab if tab in TABS else _first_tab(job)
    row = Row(job, seen.live)
    return {
        "job": job,
        "row": row,
        "offers": offers.offers_of(job, request.user),
        # Until SQL has the end, too, the page asks again: files and log come with it.
        "recorded": job.is_final and seen.live is None,
        "reachable": seen.reachable,
        "incidents": detail.incidents_of(job),
        "operator": operator,
        "foreign_known": operator and not job.is_kind and task_named(job.kind) is not None,
        "sentence": job_words.sentence(seen, operator),
        "page_title": job_words.page_title(seen),
        "rate": _rate(seen),
        "timeline": _timeline(job, attempts),
        "attempts": attempts,
        "tabs": [
            {
                "label": label,
                "url": f"{job.get_absolute_url()}?tab={name}",
                "current": name == chosen,
                "count": len(attempts) if name == "attempts" and attempts else None,
            }
            for name, label in TABS.items()
        ],
        "tab": chosen,
        "panel": f"jobs/parts/job_{chosen}.html",
        "live_url": reverse("job-live", args=[job.id]) + (f"?tab={tab}" if tab in TABS else ""),
        **_PANELS[chosen](seen, attempts),
    }


def _first_tab(job: Job) -> str:
    """Succeeded opens the result, failed its attempts, what runs its log."""
    return {State.SUCCESS: "result", State.STARTED: "log", State.PENDING: "parameters"}.get(
        known(job.state), "attempts"
    )


def _attempts(seen: Seen, attempts: list[Attempt]) -> dict[str, Any]:
    entries = []
    for attempt in attempts:
        began, ended = attempt.started_at, attempt.finished_at
        took = (ended - began).total_seconds() if began and ended else None
        entries.append(
            {"attempt": attempt, "shown": shown_as(attempt.state), "took": took, "pieces": pieces(attempt.traceback)}
        )
    return {"shown_attempts": entries}


def _log(seen: Seen, attempts: list[Attempt]) -> dict[str, Any]:
    lines = detail.log_of(seen.job)
    return {"lines": lines, "cut": len(lines) == detail.LOG_LINES, "several": len(attempts) > 1}


def _result(seen: Seen, attempts: list[Attempt]) -> dict[str, Any]:
    outputs = detail.outputs_of(seen.job)
    return {
        "outputs": outputs,
        "images": [file for file in outputs if file.content_type in artifacts.SAFE_IMAGES],
        "returned": shown(masked(detail.result_of(seen.job, seen.live))),
        "ledger": detail.ledger_of(seen.job),
    }


def _parameters(seen: Seen, attempts: list[Attempt]) -> dict[str, Any]:
    job = seen.job
    kind = job.kind_class
    fields = kind.Form.base_fields if kind else {}
    params = job.masked_params if isinstance(job.masked_params, dict) else {"value": job.masked_params}
    inputs = detail.inputs_of(job)
    return {
        "params": [
            {"label": (fields[name].label if name in fields else None) or name.replace("_", " ").capitalize(),
             "value": value if isinstance(value, str | int | float | bool) else json.dumps(value, ensure_ascii=False),
             "is_code": isinstance(value, dict | list)}
            for name, value in params.items() if value not in (None, "", [], {}) and not _is_files(value)
        ],
        "inputs": inputs,
    }  # fmt: skip


def _is_files(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) and "artifact" in item for item in value)


def _history(seen: Seen, attempts: list[Attempt]) -> dict[str, Any]:
    return {"audit": detail.audit_of(seen.job)}


_PANELS: dict[str, Callable[[Seen, list[Attempt]], dict[str, Any]]] = {
    "attempts": _attempts,
    "log": _log,
    "result": _result,
    "parameters": _parameters,
    "history": _history,
}


def _rate(seen: Seen) -> str:
    """42/s, 3.1/min; "" while nobody knows, or nothing moves."""
    rate = seen.live.progress.rate if seen.live and seen.live.progress and not seen.live.stands_still else None
    if not rate:
        return ""
    return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s" if rate >= 0.5 else f"{rate * 60:.1f}/min"


def _timeline(job: Job, attempts: list[Attempt]) -> list[dict[str, Any]]:
    """Submitted, started, finished, with the time between; `span` leads to the entry."""
    started = min((one.started_at for one in attempts if one.started_at), default=job.started_at)
    steps: list[dict[str, Any]] = [{"label": "Submitted", "at": job.created}]
    ready = max(job.created, job.due_at) if job.due_at else job.created
    if job.due_at and job.due_at > job.created:
        steps.append({"label": "Due", "at": job.due_at, "span": None})
    if started:
        steps.append({"label": "Started", "at": started, "span": (started - ready).total_seconds(), "word": "wait"})
    if job.finished_at:
        word = {State.SUCCESS: "Finished", State.FAILURE: "Failed"}.get(known(job.state), "Cancelled")
        span = (job.finished_at - (started or ready)).total_seconds()
        steps.append({"label": word, "at": job.finished_at, "span": span, "word": "" if started else "wait"})
    elif started and job.state == State.STARTED:
        steps.append({"running_since": started.timestamp(), "span": Row(job).took})
    today = timezone.localdate()
    for step in steps:
        step["day"] = "at" in step and words.local(step["at"]).date() != today
    return steps


urlpatterns = [
    path("jobs/<any-id:job_id>/live", live, name="job-live"),
    path("jobs/<any-id:job_id>/cancel", _act(submit.cancel, "Cancelling."), name="job-cancel"),
    path("jobs/<any-id:job_id>/pause", _act(submit.pause, "Pausing."), name="job-pause"),
    path("jobs/<any-id:job_id>/resume", _act(submit.resume, "It goes on."), name="job-resume"),
    path("jobs/<any-id:job_id>/retry", _act(submit.retry, "Started again."), name="job-retry"),
    path("jobs/<any-id:job_id>/offer", offers.take, name="job-offer"),
    path("jobs/<any-id:job_id>/artifacts/<str:artifact_id>", artifacts.artifact, name="artifact"),
    path("jobs/<any-id:job_id>/outputs.zip", artifacts.outputs, name="outputs"),
    path("jobs/<any-id:job_id>/", job, name="job"),
]
