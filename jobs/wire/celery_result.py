"""The JSON that Celery's clients read under a task's result key, where Jobsite writes it instead of Celery's tracer."""

import json
from datetime import UTC, datetime
from typing import Any

from jobs.core.states import FINAL


def encode(job: str, status: str, result: Any, traceback: str | None = None) -> str:
    """The text for the key `keys.result(job)`."""
    done = datetime.now(UTC).isoformat() if status in FINAL else None
    meta = {"status": str(status), "result": result, "traceback": traceback, "children": [], "date_done": done}
    return json.dumps({**meta, "task_id": job})


def error(name: str, message: str, module: str = "builtins") -> dict[str, Any]:
    """An exception as Celery's clients restore it."""
    return {"exc_type": name, "exc_message": [message], "exc_module": module}


def revoked(message: str = "cancelled") -> dict[str, Any]:
    return error("TaskRevokedError", message, "celery.exceptions")
