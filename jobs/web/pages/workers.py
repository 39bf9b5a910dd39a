"""The page Workers & queues: what waits, who works on it, and what can be asked of both."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from jobs.core.errors import Conflict
from jobs.core.registry import pools_in_use
from jobs.fleet import control, pause
from jobs.fleet.queues import Queue, is_known, queues
from jobs.fleet.workers import Worker, find, workers
from jobs.models import Incident
from jobs.web import words
from jobs.web.pages.operators import operators_only

#: Incidents that the page shows, and for how long.
INCIDENTS, RECENT = 5, timedelta(days=1)
#: [ms] from which the lag of an event loop is shown as something wrong.
SLOW = 500
#: What buttons say.
VERBS = {"ping": "Ping", "grow": "Grow", "shrink": "Shrink", "shutdown": "Shut down"}


@operators_only
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """All of it, or for the open page its inside alone, which it asks for every second."""
    template = "jobs/parts/workers.html" if request.headers.get("HX-Request") else "jobs/workers.html"
    return render(request, template, state_of_fleet())


def state_of_fleet() -> dict[str, Any]:
    try:
        found = workers()
        lines = queues(found)
    except ConnectionError:
        return {"reachable": False}
    return {
        "reachable": True,
        "queues": [_queue_row(queue) for queue in lines],
        "workers": [_worker_row(worker) for worker in found],
        "incidents": Incident.objects.filter(at__gte=timezone.now() - RECENT).order_by("-at")[:INCIDENTS],
        "missing": [pool for pool in pools_in_use() if not any(pool in worker.queues for worker in found)],
    }


def _queue_row(queue: Queue) -> dict[str, Any]:
    return {
        "queue": queue,
        "priorities": ", ".join(f"{number:,} {name}" for name, number in queue.by_priority.items() if number),
        "entered": _rate(queue.entered),
        "left": _rate(queue.left),
        "workers": ", ".join(worker.name for worker in queue.workers),
        "is_stuck": bool(queue.waiting) and not queue.workers and queue.pause is None,
    }


def _rate(per_minute: float) -> str:
    """12, 0.4; 0 where nothing moved."""
    return f"{per_minute:,.0f}" if per_minute >= 9.5 or not per_minute else f"{per_minute:.1f}"


def _worker_row(worker: Worker) -> dict[str, Any]:
    return {
        "worker": worker,
        "heard": f"last heard {words.duration(worker.heard)} ago" if worker.is_silent else "now",
        "is_slow": worker.lag is not None and worker.lag >= SLOW,
        "actions": [(action, VERBS[action]) for action in worker.can if action != "shutdown" and not worker.is_silent],
        "can_stop": "shutdown" in worker.can and not worker.is_silent,
        "up": words.duration(timezone.now() - worker.started),
        "queues": ", ".join(f"{name} (paused)" if name in worker.paused else name for name in worker.queues),
    }


@operators_only
@require_POST
def on_queue(request: HttpRequest, name: str, action: str) -> HttpResponse:
    """Pause or resume a queue."""
    carry = {"pause": pause.pause, "resume": pause.resume}.get(action)
    try:
        if carry is None or not is_known(name, workers()):
            raise Http404(f"No queue {name[:80]!r}, or nothing called {action[:20]!r} to do with it.")
        carry(name, request.user)
        said = "Workers leave it alone from now on; what they have in hand is finished." if action == "pause" else ""
        messages.success(request, f"{name} is {action}d. {said}".strip())
    except (Conflict, ConnectionError) as error:
        messages.warning(request, _sentence(error))
    return HttpResponseRedirect(reverse("workers"))


@operators_only
@require_POST
def on_worker(request: HttpRequest, name: str, action: str) -> HttpResponse:
    """Ask something of one worker; its answer is shown."""
    try:
        worker = find(name)
        if worker is None or action not in VERBS:
            raise Http404(f"No worker {name[:80]!r}, or nothing called {action[:20]!r} to ask of it.")
        messages.success(request, control.ask(worker, action, request.user))
    except (Conflict, ConnectionError) as error:
        messages.warning(request, _sentence(error))
    return HttpResponseRedirect(reverse("workers"))


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, Conflict) else "Redis does not answer: nothing was changed."


urlpatterns = [
    path("workers", page, name="workers"),
    path("workers/queues/<any-id:name>/<str:action>", on_queue, name="queue-act"),
    path("workers/<any-id:name>/<str:action>", on_worker, name="worker-act"),
]
