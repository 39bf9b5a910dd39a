"""The results backend: Celery's own Redis backend, with every state change told in one round trip."""

import json
import logging
import time
from contextlib import suppress
from typing import Any

from celery.backends.redis import RedisBackend
from celery.exceptions import NotRegistered, Retry
from kombu.exceptions import EncodeError

from jobs.core.states import FINAL, State
from jobs.wire import events, keys, scripts
from jobs.wire.connection import UNREACHABLE, redis_client
from jobs.worker import report
from jobs.worker.execution import Execution, attempt_of, running
from jobs.worker.outbox import Report, outbox

log = logging.getLogger(__name__)

_LOST = "WorkerLostError"


class Backend(RedisBackend):
    """Results in Redis as any Celery client expects them; beside each, the event from which the keeper writes SQL."""

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Nothing: Celery subscribes here, and blocks for 19 s where Redis is down (LINE 12)."""

    def store_result(
        self, task_id: str, result: Any, state: str, traceback: str | None = None, request: Any = None, **kwargs: Any
    ) -> Any:
        """Called by Celery's tracer at each state change, by `update_state`, and by a worker for its lost children."""
        if state == State.STARTED:
            return result  # the claim has told it
        encoded = self.encode_result(result, state)
        self._tell(task_id, result, encoded, state, traceback, request, keep=True)
        return encoded

    def mark_as_done(
        self, task_id: str, result: Any, request: Any = None, store_result: bool = True, state: str = State.SUCCESS
    ) -> None:
        """As Celery's; a task that ignores its result is recorded all the same, without a result key."""
        if not store_result and self._is_ours(task_id, request):
            self._tell(task_id, None, None, state, None, request, keep=False)
        super().mark_as_done(task_id, result, request=request, store_result=store_result, state=state)

    def mark_as_failure(
        self, task_id: str, exc: Any, traceback: Any = None, request: Any = None, store_result: bool = True,
        call_errbacks: bool = True, state: str = State.FAILURE,
    ) -> None:  # fmt: skip
        if not store_result and self._is_ours(task_id, request):
            self._tell(task_id, exc, self.encode_result(exc, state), state, traceback, request, keep=False)
        super().mark_as_failure(
            task_id, exc, traceback=traceback, request=request, store_result=store_result,
            call_errbacks=call_errbacks, state=state,
        )  # fmt: skip

    @staticmethod
    def _is_ours(task_id: str, request: Any) -> bool:
        return task_id in running or request is not None

    def _tell(
        self, task_id: str, result: Any, encoded: Any, state: str, traceback: Any, request: Any, *, keep: bool
    ) -> None:  # fmt: skip
        execution = running.get(task_id)
        attempt = attempt_of(request) if request is not None else (execution.attempt if execution else 1)
        user = str(getattr(request, "jobsite_user", None) or (execution.user if execution else ""))
        if isinstance(result, NotRegistered) and self._returned(task_id):
            return None
        stored = self._meta(task_id, encoded, state, traceback, request) if keep else ""
        if state not in {*FINAL, State.RETRY}:
            return self._progress(execution or Execution(task_id, attempt, "", user), encoded, stored)
        if execution and state in FINAL:
            execution.ended = True
        name = State(state)
        if name == State.FAILURE and type(result).__name__ == _LOST:
            name, stored = State.LOST, ""  # the kind's policy decides what becomes of it (LINE 2)
        phase = {State.RETRY: "retry", State.LOST: "lost"}.get(name, "final")
        fields = self._fields(name, result, encoded, traceback, request)
        report.state(
            task_id,
            attempt,
            user,
            name,
            phase=phase,
            stored=stored,
            expires=int(self.expires or 0) or scripts.KEEP_FINAL,
            **fields,
        )
        return None

    def _meta(self, task_id: str, encoded: Any, state: str, traceback: Any, request: Any) -> str:
        meta = self._get_result_meta(result=encoded, state=state, traceback=traceback, request=request)
        meta["task_id"] = task_id
        text = self.encode(meta)
        return text.decode() if isinstance(text, bytes) else text

    def _fields(self, name: State, result: Any, encoded: Any, traceback: Any, request: Any) -> dict[str, Any]:
        get = (lambda key: getattr(request, key, None)) if request is not None else (lambda key: None)
        fields: dict[str, Any] = {"task": get("task") or get("name"), **(get("jobsite_usage") or {})}
        if request is not None and get("jobsite_attempt") is None:
            fields["foreign"] = True
            if name == State.REVOKED:  # perhaps before any worker claimed it
                fields["parent"] = get("parent_id")
        if name == State.SUCCESS:
            fields["result"] = cut(self._json(encoded))
            fields["children"] = [str(child) for child in (self.current_task_children(request) or [])][:100]
            return fields
        cause = result.exc if isinstance(result, Retry) else result
        fields["error_type"] = type(cause).__name__ if isinstance(cause, BaseException) else str(name)
        fields["error"] = cut(str(cause) if cause is not None else "")
        fields["traceback"] = cut(str(traceback or ""))
        if name == State.RETRY:
            fields["celery_eta"] = True  # Task.retry has published the next attempt itself (LINE 6)
        return fields

    def _json(self, encoded: Any) -> str:
        try:
            text = self.encode(encoded)
        except EncodeError:
            return json.dumps(str(encoded))
        return text.decode() if isinstance(text, bytes) else text

    @staticmethod
    def _progress(execution: Execution, encoded: Any, stored: str) -> None:
        """`update_state("PROGRESS", meta={"current", "total"})`, or any state of the task's own making."""
        meta = encoded if isinstance(encoded, dict) else {}
        progress = {
            "current": meta.get("current", meta.get("done")),
            "total": meta.get("total"),
            "step": str(meta.get("step") or meta.get("status") or meta.get("description") or "")[:200],
            "started": execution.started,
        }
        with suppress(*UNREACHABLE):  # the next report tells more; the task has nothing to do with it
            report.send_progress(execution, report.progress_command(execution, progress, stored))

    @staticmethod
    def _returned(task_id: str) -> bool:
        """A job whose task this worker does not know goes back to dispatch, never straight to FAILURE (LINE 18).

        Celery tells neither the attempt nor whose it is: the claim's hash does. False: nobody submitted it here.
        """
        client, run = redis_client(), keys.run(task_id)
        try:
            attempt, user, returned = client.hmget(run, "attempt", "user", "returned")
            if attempt is None:
                return False
            first, _, since = (returned or "").partition(" ")
            if first != attempt:
                since = str(time.time())
                client.hset(run, "returned", f"{attempt} {since}")
        except UNREACHABLE as error:
            log.warning("%s is unknown here, and dispatch sends it again: %s", task_id, error)
            return True
        event = events.encode(events.RETURNED, task_id, int(attempt), user or "", since=float(since))
        outbox.send(Report(task_id, "", [keys.EVENTS], [event]))
        return True


def cut(text: str) -> str:
    """At most MOST_TEXT characters: of a longer text the beginning and the end."""
    if len(text) <= report.MOST_TEXT:
        return text
    half = report.MOST_TEXT // 2
    return f"{text[:half]}\n… {len(text) - 2 * half:,} characters left out …\n{text[-half:]}"
