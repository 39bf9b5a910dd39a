"""The pages Workflows and Workflow: what they are made of, live, and what can be done with one."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from jobs.browse.live import overlay
from jobs.core.access import is_operator
from jobs.core.errors import Conflict, Refused
from jobs.core.states import FINAL, UNFINISHED, State
from jobs.models import Workflow
from jobs.models.canvas import awaited
from jobs.web.pages.rows import Row
from jobs.web.pages.workflow_graph import Box, boxes_of, draw
from jobs.workflows import listing, steer
from jobs.workflows.outlook import Outlook, graph_of
from jobs.workflows.ready import ready_for
from jobs.workflows.spec import MAX_STEPS

#: Different errors that are told above the drawing; rows of a folded box, and once the reader asks for that box alone.
FAILED, FEW, MANY = 5, 50, 1_000
#: Jobs that are asked for in Redis, and whose changes the page follows; of more it asks every two seconds.
FOLLOWED = 1_000


@login_required
@require_GET
def workflows(request: HttpRequest) -> HttpResponse:
    try:
        found = listing.page(request.user, request.GET.get("cursor", ""))
    except Refused:
        return HttpResponseRedirect(reverse("workflows"))
    here = reverse("workflows")
    context = {
        "rows": [_line(outlook) for outlook in found.outlooks],
        "rows_url": request.get_full_path().replace(here, reverse("workflow-rows"), 1),
        "older": found.older and f"{here}?cursor={found.older}",
        "newer": found.newer and f"{here}?cursor={found.newer}",
        "operator": is_operator(request.user),
        "ready": ready_for(request.user),
    }
    rows_only = request.resolver_match is not None and request.resolver_match.url_name == "workflow-rows"
    return render(request, "jobs/parts/workflow_rows.html" if rows_only else "jobs/workflows.html", context)


@login_required
@require_GET
def workflow(request: HttpRequest, workflow_id: str) -> HttpResponse:
    return render(request, "jobs/workflow.html", _seen(request, _find(request, workflow_id)))


@login_required
@require_GET
def live(request: HttpRequest, workflow_id: str) -> HttpResponse:
    """What moves on the page, as it is now."""
    return render(request, "jobs/parts/workflow_live.html", _seen(request, _find(request, workflow_id)))


def _act(action: Callable[..., Any], said: Callable[[Any], str]) -> Any:
    @login_required
    @require_POST
    def view(request: HttpRequest, workflow_id: str) -> HttpResponse:
        found = _find(request, workflow_id)
        try:
            messages.success(request, said(action(found, request.user, via="form")))
        except Conflict as conflict:
            messages.warning(request, str(conflict))
        return HttpResponseRedirect(found.get_absolute_url())

    return view


def _find(request: HttpRequest, workflow_id: str) -> Workflow:
    found = listing.find(workflow_id, request.user)
    if found is None:
        raise Http404(f"No workflow {workflow_id[:36]}")
    return found


def _line(outlook: Outlook) -> dict[str, Any]:
    ended = outlook.finished_at
    return {
        "outlook": outlook,
        "workflow": outlook.workflow,
        "shown": outlook.shown,
        "fraction": outlook.ended / outlook.total if outlook.total else None,
        "took": (ended or timezone.now()) - outlook.workflow.created,
        "since": None if ended else outlook.workflow.created.timestamp(),
    }


def _seen(request: HttpRequest, found: Workflow) -> dict[str, Any]:
    graph = graph_of(found)
    moving = [job for job in graph.jobs if not job.is_final][:FOLLOWED]
    over = overlay(moving)
    rows = {job.pk: Row(job, over.get(job)) for job in graph.jobs}
    to_come = awaited([found.pk]).get(found.pk, 0)
    ends = [job.finished_at for job in graph.jobs if job.finished_at] if not moving and not to_come else []
    due = [job.due_at for job in graph.jobs if job.due_at and job.waits_for_due and not job.blocked]
    is_due = any(not job.waits_for_due for job in graph.jobs)
    counts = Counter(job.state for job in graph.jobs) + Counter({str(State.PENDING): to_come})
    outlook = Outlook(found, dict(counts), max(ends, default=None), is_due)
    boxes = boxes_of(graph, rows)
    failed = _errors(rows.values())
    wished = [job.is_cancelling for job in graph.jobs if job.state in UNFINISHED]
    parts = outlook.ended + sum(row.fraction or 0 for row in rows.values())
    asked = request.GET.get("group", "")
    return {
        **_line(outlook),
        "word": "Cancelling" if wished and all(wished) else "",
        "can_cancel": bool(wished) and not all(wished),
        "part": parts / outlook.total if outlook.total else None,
        "due": min(due, default=None),
        "failed": failed[:FAILED],
        "failed_more": len(failed) - FAILED,
        "boxes": [_shown(box, asked) for box in boxes],
        "drawing": draw(boxes),
        "is_cut": len(graph.jobs) >= MAX_STEPS,
        # Also those that have ended: somebody may retry them.
        "ids": " ".join(job.id for job in sorted(graph.jobs, key=lambda job: job.is_final)[:FOLLOWED]),
        "recorded": outlook.state in FINAL,
        "reachable": over.reachable,
        "operator": is_operator(request.user),
        "page_title": _page_title(outlook, parts),
        "live_url": reverse("workflow-live", args=[found.pk]) + (f"?{urlencode({'group': asked})}" if asked else ""),
    }


def _errors(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The failed steps, those of one kind with the same error as one."""
    alike: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.job.state == State.FAILURE:
            alike.setdefault((row.job.kind, row.note), []).append(row)
    return [{"row": some[0], "more": len(some) - 1} for some in alike.values()]


def _shown(box: Box, asked: str) -> dict[str, Any]:
    most = MANY if box.key == asked else FEW
    rows = box.urgent_first[:most] if box.is_folded else box.rows
    return {"box": box, "rows": rows, "more": len(box.rows) - len(rows), "open": box.key == asked, "all": len(box.rows)}


def _page_title(outlook: Outlook, parts: float) -> str:
    """What the tab says: "62% Photos", then "Done: Photos"."""
    title = outlook.workflow.title
    word = {State.SUCCESS: "Done: ", State.FAILURE: "Failed: ", State.REVOKED: "Cancelled: "}.get(outlook.state)
    return f"{word}{title}" if word else f"{int(100 * parts / outlook.total) if outlook.total else 0}% {title}"


def _again(count: int) -> str:
    return f"{count:,} step{'' if count == 1 else 's'} started again."


urlpatterns = [
    path("workflows", workflows, name="workflows"),
    path("workflows/rows", workflows, name="workflow-rows"),
]
#: After all others: an id that Celery code chose may hold anything, a slash included.
of_one = [
    path("workflows/<any-id:workflow_id>/live", live, name="workflow-live"),
    path("workflows/<any-id:workflow_id>/cancel", _act(steer.cancel, lambda _: "Cancelling."), name="workflow-cancel"),
    path("workflows/<any-id:workflow_id>/retry", _act(steer.retry, _again), name="workflow-retry"),
    path("workflows/<any-id:workflow_id>/", workflow, name="workflow"),
]
