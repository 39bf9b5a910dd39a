"""JSON Schemas of what the API answers; a test holds real answers against them."""

from typing import Any

from jobs.core.priorities import BY_NAME
from jobs.core.states import SHOWN, State

_TEXT = {"type": "string"}
_WHOLE = {"type": "integer"}
_MAYBE_WHOLE = {"type": ["integer", "null"]}
_YES_NO = {"type": "boolean"}
_MAYBE_NUMBER = {"type": ["number", "null"]}
_MAYBE_TEXT = {"type": ["string", "null"]}
_TIME = {"type": "string", "format": "date-time"}
_MAYBE_TIME = {"type": ["string", "null"], "format": "date-time"}
_PATH = {"type": "string", "format": "uri-reference"}


def ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def listed(name: str) -> dict[str, Any]:
    """A page of items, and the cursor of the next one."""
    return _object({"items": {"type": "array", "items": ref(name)}, "next": _MAYBE_TEXT})


def _object(properties: dict[str, Any], optional: tuple[str, ...] = (), text: str = "") -> dict[str, Any]:
    return {
        "type": "object",
        **({"description": text} if text else {}),
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"oneOf": [schema, {"type": "null"}]}


_STATES = [state.value for state in State]
_KIND = {
    "kind": {"type": "string", "description": "Its slug: what a submission names."},
    "label": _TEXT,
    "description": _TEXT,
    "pool": {"type": "string", "enum": ["io", "cpu"]},
    "time_limit": {"type": ["number", "null"], "description": "[s] of one attempt"},
    "max_attempts": _WHOLE,
    "idempotent": {"type": "boolean", "description": "Run again without asking after a lost worker."},
    "pausable": {"type": "boolean", "description": "A running job of it can be paused."},
    "parts": {"type": "array", "items": _TEXT, "description": "What a rerun of an ended job may be limited to."},
    "links": _object({"self": _PATH, "submit": _PATH}),
}

_TASK = {
    "task": {"type": "string", "description": "Its name: what a submission names."},
    "label": _TEXT,
    "description": _TEXT,
    "queue": _TEXT,
    "links": _object({"self": _PATH, "submit": _PATH}),
}

SHAPES: dict[str, dict[str, Any]] = {
    "Job": _object(
        {
            "id": _TEXT,
            "kind": {"type": "string", "description": "Slug of the kind, or the name of a foreign Celery task."},
            "state": {"type": "string", "enum": [state for state in _STATES if state != State.LOST]},
            "shown": {"type": "string", "enum": list(SHOWN), "description": "The state as people are shown it."},
            "title": _TEXT,
            "owner": _MAYBE_TEXT,
            "queue": _TEXT,
            "priority": {"type": "string", "description": f"One of {', '.join(BY_NAME)}."},
            "progress": _or_null(ref("Progress")),
            "workflow": {**_MAYBE_TEXT, "description": "Id of the workflow that it is a step of."},
            "attempt": {"type": "integer", "description": "Number of the current attempt, from 1."},
            "max_attempts": _WHOLE,
            "next_retry_at": _MAYBE_TIME,
            "cancelling": {"type": "boolean", "description": "A cancel was asked for and is not yet confirmed."},
            "paused": {
                "type": "boolean",
                "description": "Somebody has paused it. `progress.step` says `paused` once its worker stands still.",
            },
            "outcome": {"type": "string", "description": "The result in short."},
            "result": {"description": "What the job returned, as JSON; null in lists."},
            "error": _or_null(_object({"type": _TEXT, "message": _TEXT})),
            "times": _object(dict.fromkeys(("created", "due", "published", "started", "finished"), _MAYBE_TIME)),
            "links": _object(dict.fromkeys(("self", "attempts", "logs", "artifacts", "page"), _PATH)),
        }
    ),
    "JobPage": _object(
        {
            "items": {"type": "array", "items": ref("Job")},
            "next": {**_MAYBE_TEXT, "description": "Cursor of the following, older page."},
            "previous": {**_MAYBE_TEXT, "description": "Cursor of the page before."},
            "searched_back_to": _MAYBE_TIME,
        }
    ),
    "Progress": _object(
        {
            "current": {"type": "number"},
            "total": {"type": "number"},
            "step": _TEXT,
            "eta": {"type": ["number", "null"], "description": "[s] left at the pace so far"},
        }
    ),
    "Attempt": _object(
        {
            "number": _WHOLE,
            "state": {"type": "string", "enum": _STATES},
            "worker": _TEXT,
            "pid": _MAYBE_WHOLE,
            "queued_at": _MAYBE_TIME,
            "started_at": _MAYBE_TIME,
            "finished_at": _MAYBE_TIME,
            "next_retry_at": _MAYBE_TIME,
            "error": _or_null(_object({"type": _TEXT, "message": _TEXT})),
            "traceback": _MAYBE_TEXT,
            "memory": {"type": ["integer", "null"], "description": "Peak memory of the process [bytes]"},
            "cpu_seconds": {**_MAYBE_NUMBER, "description": "[s]"},
        }
    ),
    "LogLine": _object({"attempt": _WHOLE, "at": _TIME, "text": _TEXT}),
    "Artifact": _object(
        {
            "id": _TEXT,
            "name": _TEXT,
            "content_type": _TEXT,
            "size": {"type": "integer", "description": "[bytes]"},
            "is_input": _YES_NO,
            "attempt": {**_MAYBE_WHOLE, "description": "The attempt that made it."},
            "created": _TIME,
            "links": _object({"download": _PATH}),
        }
    ),
    "Accepted": _object({"ids": {"type": "array", "items": _TEXT}, "count": _WHOLE}),
    "Kind": _object(_KIND),
    "Workflow": _object(
        {
            "id": _TEXT,
            "title": _TEXT,
            "state": {"type": "string", "enum": [state for state in _STATES if state not in (State.LOST, State.RETRY)]},
            "owner": _MAYBE_TEXT,
            "on_failure": {**_MAYBE_TEXT, "description": "end or skip; null where Celery code ties the tasks."},
            "is_canvas": {"type": "boolean", "description": "Tied by Celery code, and only recorded here."},
            "progress": _object({"current": _WHOLE, "total": _WHOLE}, text="Jobs that have ended, of all."),
            "states": {"type": "object", "additionalProperties": _WHOLE, "description": "Number of jobs by state."},
            "times": _object({"created": _TIME, "finished": _MAYBE_TIME}),
            "jobs": {"type": ["array", "null"], "items": ref("WorkflowJob"), "description": "null in lists."},
            "links": _object({"self": _PATH, "page": _PATH}),
        }
    ),
    "WorkflowJob": _object(
        {
            "id": _TEXT,
            "kind": _TEXT,
            "title": _TEXT,
            "state": {"type": "string", "enum": [state for state in _STATES if state != State.LOST]},
            "shown": {"type": "string", "enum": list(SHOWN)},
            "after": {"type": "array", "items": _TEXT, "description": "Ids of the jobs that it waits for."},
            "error": _or_null(_object({"type": _TEXT, "message": _TEXT})),
            "links": _object({"self": _PATH}),
        }
    ),
    "Schedule": _object(
        {
            "id": _WHOLE,
            "name": _TEXT,
            "kind": {**_MAYBE_TEXT, "description": "Slug of the kind; null for a task that is none."},
            "task": _TEXT,
            "params": {"type": "object", "description": "Secrets masked."},
            "words": {"type": "string", "description": "The rule as people say it."},
            **dict.fromkeys(("cron", "period", "queue", "owner"), _MAYBE_TEXT),
            "every": _MAYBE_WHOLE,
            **dict.fromkeys(("at", "start", "end"), _MAYBE_TIME),
            **dict.fromkeys(("timezone", "overlap", "misfire", "priority", "description"), _TEXT),
            **dict.fromkeys(("jitter", "misfire_limit"), _WHOLE),
            "paused_until": _MAYBE_TIME,
            "skipped": {**_MAYBE_TIME, "description": "The one run to come that is left out."},
            "held": {**_MAYBE_TIME, "description": "The run that waits until the former one has ended."},
            "left_out": {"type": "integer", "description": "Runs left out since the last start: it was still running."},
            "enabled": _YES_NO,
            "next_runs": {"type": "array", "items": _TIME, "description": "In the schedule's time zone."},
            "remarks": {"type": "array", "items": _TEXT, "description": "What clock changes do to it."},
            "trouble": {**_MAYBE_TEXT, "description": "Why it cannot start its jobs."},
            "code": _or_null(
                {
                    "type": "object",
                    "description": "Where it comes from CELERY_BEAT_SCHEDULE or add_periodic_task: whether it is gone "
                    "from there, where code and table differ, and which options the table has no place for.",
                }
            ),
            "overdue": {**_MAYBE_NUMBER, "description": "[s] that the next run is late."},
            "last_job": _or_null(_object({"id": _TEXT, "state": _TEXT, "created": _TIME})),
            "links": _object(dict.fromkeys(("self", "run", "page"), _PATH)),
        }
    ),
    "KindWithSchema": _object(
        {**_KIND, "schema": {"type": "object", "description": "JSON Schema (2020-12) of the parameters."}}
    ),
    "Worker": _object(
        {
            "name": _TEXT,
            "pool": {"type": "string", "description": "prefork, eventlet, gevent or thread"},
            "host": _TEXT,
            "pid": _WHOLE,
            "children": {"type": "array", "items": _WHOLE, "description": "Processes of a prefork pool."},
            "started": _TIME,
            "concurrency": {"type": "integer", "description": "Jobs at a time."},
            "busy": {"type": "integer", "description": "Jobs in hand."},
            "queues": {"type": "array", "items": _TEXT},
            "paused": {"type": "array", "items": _TEXT, "description": "Those of them that it leaves alone."},
            "heard": {"type": "number", "description": "[s] since its last beat; it beats every 2 s"},
            "silent": _YES_NO,
            "loop_lag": {"type": ["integer", "null"], "description": "Worst of the last minute [ms]; null: no loop"},
            "can": {"type": "object", "additionalProperties": _PATH, "description": "Action: where to POST it."},
        }
    ),
    "WorkerAnswer": _object({"worker": _TEXT, "answer": _TEXT}),
    "Queue": _object(
        {
            "name": _TEXT,
            "waiting": {"type": "integer", "description": "Messages in all its priority lists."},
            "by_priority": {"type": "object", "additionalProperties": _WHOLE},
            "oldest": {"type": ["number", "null"], "description": "[s] that the oldest message has waited"},
            "running": _WHOLE,
            "in_per_minute": {"type": "number"},
            "out_per_minute": {"type": "number"},
            "workers": {"type": "array", "items": _TEXT},
            "paused": _YES_NO,
            "paused_since": _MAYBE_TIME,
            "still_taking": {"type": "array", "items": _TEXT, "description": "Workers that have not followed yet."},
            "can": {"type": "object", "additionalProperties": _PATH, "description": "Action: where to POST it."},
        }
    ),
    "Task": _object(_TASK),
    "TaskWithSchema": _object(
        {**_TASK, "schema": {"type": "object", "description": "JSON Schema (2020-12) of the arguments by name."}}
    ),
    "Problem": _object(
        {
            "type": _TEXT,
            "title": _TEXT,
            "status": _WHOLE,
            "detail": {"type": "string", "description": "What is wrong, and what would be right."},
            "errors": {
                "type": "object",
                "additionalProperties": {"type": "array", "items": _TEXT},
                "description": "Every bad field, with what is wrong.",
            },
            "state": {"type": "string", "description": "For 409: the state that the job is in."},
        },
        optional=("errors", "state"),
        text="RFC 9457.",
    ),
}

PATH_ARGUMENTS: dict[str, dict[str, Any]] = {
    "id": {"type": "string", "maxLength": 255, "description": "Id of the job."},
    "slug": {"type": "string", "maxLength": 40, "description": "Slug of the kind."},
    "task": {"type": "string", "maxLength": 255, "description": "Name of the Celery task."},
    "artifact": {"type": "string", "maxLength": 32, "description": "Id of the file."},
    "schedule": {"type": "integer", "description": "Id of the schedule."},
    "workflow": {"type": "string", "maxLength": 255, "description": "Id of the workflow."},
    "name": {"type": "string", "maxLength": 255, "description": "Name of the worker or queue."},
}
