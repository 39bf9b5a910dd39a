"""The JSON that Celery's clients read under a task's result key, where Jobsite writes it instead of Celery's tracer."""

import json
from datetime import UTC, datetime
from typing import Any

from celery import current_app
from kombu.serialization import dumps

from jobs.core.states import FINAL


def encode(job: str, status: str, result: Any, traceback: str | None = None) -> str | bytes:
    """What goes under the key `keys.result(job)`, as the project's clients are told to read it."""
    done = datetime.now(UTC).isoformat() if status in FINAL else None
    meta = {"status": str(status), "result": result, "traceback": traceback, "children": [], "date_done": done}
    meta["task_id"] = job
    serializer = current_app.conf.result_serializer
    return json.dumps(meta) if serializer == "json" else dumps(meta, serializer=serializer)[2]


def of_an_end(job: str, status: str, result: Any) -> str | bytes:
    """The same for an end that no worker tells of; "" where the project keeps its results elsewhere."""
    return encode(job, status, result) if "redis" in _backend_name() else ""


def is_ours() -> bool:
    """Whether the project's results backend is Jobsite's own."""
    return "jobs.worker.backend" in str(current_app.conf.result_backend or "")


def celery_keeps_results() -> bool:
    """Whether the project's own results backend writes django-celery-results' rows: then nobody else does."""
    return _backend_name() == "django-db" or "django_celery_results.backends" in _backend_name()


def _backend_name() -> str:
    return str(current_app.conf.result_backend or "").replace("jobs.worker.backend:Backend", "redis")


def error(name: str, message: str, module: str = "builtins") -> dict[str, Any]:
    """An exception as Celery's clients restore it."""
    return {"exc_type": name, "exc_message": [message], "exc_module": module}


def revoked(message: str = "cancelled") -> dict[str, Any]:
    return error("TaskRevokedError", message, "celery.exceptions")
