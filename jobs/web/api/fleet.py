"""The calls of workers and queues; for operators."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import reverse

from jobs.browse.represent import iso
from jobs.core.access import is_operator
from jobs.fleet import control, pause
from jobs.fleet.queues import Queue, is_known, queues
from jobs.fleet.workers import Worker, find, workers
from jobs.web.api.body import Body
from jobs.web.api.endpoint import Answer, Handler, endpoint, ok
from jobs.web.api.problem import Problem
from jobs.web.api.shapes import listed, ref

_NOTHING: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}


def worker_json(worker: Worker) -> dict[str, Any]:
    can = {action: reverse(f"api-worker-{action}", args=[worker.name]) for action in worker.can}
    return {
        "name": worker.name,
        "pool": worker.pool,
        "host": worker.host,
        "pid": worker.pid,
        "children": [child.pid for child in worker.children],
        "started": iso(worker.started),
        "concurrency": worker.concurrency,
        "busy": worker.busy,
        "queues": list(worker.queues),
        "paused": list(worker.paused),
        "heard": round(worker.heard, 1),
        "silent": worker.is_silent,
        "loop_lag": worker.lag,
        "can": can,
    }


def queue_json(queue: Queue) -> dict[str, Any]:
    return {
        "name": queue.name,
        "waiting": queue.waiting,
        "by_priority": queue.by_priority,
        "oldest": None if queue.oldest is None else round(queue.oldest, 1),
        "running": queue.running,
        "in_per_minute": round(queue.entered, 1),
        "out_per_minute": round(queue.left, 1),
        "workers": [worker.name for worker in queue.workers],
        "paused": queue.pause is not None,
        "paused_since": iso(queue.pause.since) if queue.pause else None,
        "still_taking": list(queue.still_taking),
        "can": {action: reverse(f"api-queue-{action}", args=[queue.name]) for action in queue.can},
    }


@endpoint(
    "GET", "workers", name="api-workers", scope="read",
    answers={200: Answer("Every worker that speaks.", listed("Worker"))},
    example="workers",
)  # fmt: skip
def list_workers(request: HttpRequest) -> JsonResponse:
    """List the workers; for operators.

    `can` holds what each pool carries out, with the address to POST to.
    """
    _operators_only(request)
    return ok({"items": [worker_json(worker) for worker in workers()], "next": None})


@endpoint(
    "GET", "queues", name="api-queues", scope="read",
    answers={200: Answer("Every queue, all its priorities counted.", listed("Queue"))},
    example="queues",
)  # fmt: skip
def list_queues(request: HttpRequest) -> JsonResponse:
    """List the queues; for operators.

    While a queue is paused, `still_taking` names the workers that have not yet said that they leave it alone.
    """
    _operators_only(request)
    return ok({"items": [queue_json(queue) for queue in queues(workers())], "next": None})


@endpoint(
    "POST", "queues/{name}/pause", name="api-queue-pause", scope="admin", body=_NOTHING, problems=(409,),
    answers={202: Answer("The wish is stored; `still_taking` empties as workers follow.", ref("Queue"))},
    example="queues/io/pause --request POST",
)  # fmt: skip
def pause_queue(request: HttpRequest, body: Body, name: str) -> JsonResponse:
    """Pause a queue: workers take nothing more from it; for operators.

    Jobs are accepted and wait. What a worker has in hand is finished. Workers that start later follow as well.
    """
    return _on_queue(request, name, pause.pause)


@endpoint(
    "POST", "queues/{name}/resume", name="api-queue-resume", scope="admin", body=_NOTHING, problems=(409,),
    answers={202: Answer("The wish is stored; workers follow within seconds.", ref("Queue"))},
    example="queues/io/resume --request POST",
)  # fmt: skip
def resume_queue(request: HttpRequest, body: Body, name: str) -> JsonResponse:
    """Let workers take from a paused queue again; for operators."""
    return _on_queue(request, name, pause.resume)


def _on_queue(request: HttpRequest, name: str, carry: Callable[..., None]) -> JsonResponse:
    _operators_only(request)
    if not is_known(name, workers()):
        raise Problem(404, f"No queue {name[:80]!r}.")
    carry(name, request.user, via="api")
    return ok(queue_json(next(queue for queue in queues(workers()) if queue.name == name)), 202)


def _on_worker(action: str, text: str) -> Handler:
    """A call that asks one thing of one worker."""

    def handler(request: HttpRequest, body: Body, name: str) -> JsonResponse:
        _operators_only(request)
        worker = find(name)
        if worker is None:
            raise Problem(404, f"No worker {name[:80]!r} speaks at the moment.")
        return ok({"worker": worker.name, "answer": control.ask(worker, action, request.user, via="api")})

    handler.__name__, handler.__doc__ = f"{action}_worker", text
    return endpoint(
        "POST", f"workers/{{name}}/{action}", name=f"api-worker-{action}", scope="admin", body=_NOTHING,
        problems=(409,), answers={200: Answer("The worker's own answer.", ref("WorkerAnswer"))},
        example=f"workers/io@HOST/{action} --request POST",
    )(handler)  # fmt: skip


_on_worker("ping", "Ask a worker whether it listens; for operators.")
_on_worker("shutdown", "Let a worker finish what it has in hand, and stop; for operators.")
_on_worker("grow", "Let a worker's pool take more jobs at a time; for operators.\n\nNot every pool can: see `can`.")
_on_worker("shrink", "Let a worker's pool take fewer jobs at a time; for operators.\n\nNot every pool can: see `can`.")


def _operators_only(request: HttpRequest) -> None:
    if not is_operator(request.user):
        raise Problem(403, "Workers and queues are the operators'.")
