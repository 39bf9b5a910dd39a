"""The results backends: Jobsite's own, and whichever else a project has, with each state change told to the stream."""

import logging
import time
from functools import cache
from typing import Any

from celery import Celery
from celery.backends.redis import RedisBackend
from celery.exceptions import NotRegistered

from jobs.core.ids import stored_id
from jobs.core.states import State
from jobs.wire import events, keys, scripts
from jobs.wire.connection import CONNECT, UNREACHABLE, redis_client
from jobs.wire.redis_url import for_results
from jobs.worker import told
from jobs.worker.execution import process, running
from jobs.worker.listening import Listener
from jobs.worker.outbox import Report, outbox

log = logging.getLogger(__name__)

#: [s] that stands for no expiry at all (`result_expires` None).
_FOR_EVER = 10 * 365 * 86_400
#: The module of the class that keeps results in the table that the keeper writes otherwise.
_SQL_RESULTS = "django_celery_results.backends.database"


class Teller:
    """Laid over a project's own results backend: what it is told of goes to the stream as well, and it stays theirs.

    Celery's tracer calls it at each state change, `update_state` does, and a worker for its lost children.
    """

    def store_result(
        self, task_id: str, result: Any, state: str, traceback: str | None = None, request: Any = None, **kwargs: Any
    ) -> Any:
        # First what the client waits for: killed between the two, the outcome is told as unknown, and can be had.
        try:
            return super().store_result(  # type: ignore[misc]
                task_id, result, state, traceback=traceback, request=request, **kwargs
            )
        finally:
            if state in told.STATES or (state != State.STARTED and stored_id(task_id) in running):
                told.tell(self, task_id, result, state, traceback, request)

    def mark_as_done(
        self, task_id: str, result: Any, request: Any = None, store_result: bool = True, state: str = State.SUCCESS
    ) -> None:
        """As Celery's; a task that ignores its result is recorded all the same, and leaves none."""
        if (not store_result or getattr(request, "ignore_result", False)) and _is_known(task_id, request):
            told.tell(self, task_id, None, state, None, request)
        super().mark_as_done(task_id, result, request=request, store_result=store_result, state=state)  # type: ignore[misc]

    def mark_as_failure(
        self, task_id: str, exc: Any, traceback: Any = None, request: Any = None, store_result: bool = True,
        call_errbacks: bool = True, state: str = State.FAILURE,
    ) -> None:  # fmt: skip
        if not store_result and _is_known(task_id, request):
            told.tell(self, task_id, exc, state, traceback, request)
        super().mark_as_failure(  # type: ignore[misc]
            task_id, exc, traceback=traceback, request=request, store_result=store_result,
            call_errbacks=call_errbacks, state=state,
        )  # fmt: skip

    def mark_as_revoked(
        self, task_id: str, reason: str = "", request: Any = None, store_result: bool = True,
        state: str = State.REVOKED,
    ) -> None:  # fmt: skip
        if not store_result and _is_known(task_id, request):
            told.tell(self, task_id, told.revoked(reason), state, None, request)
        super().mark_as_revoked(  # type: ignore[misc]
            task_id, reason, request=request, store_result=store_result, state=state
        )

    def chord_error_from_stack(self, callback: Any, exc: Any = None) -> Any:
        """A chord's body fails with its header, and nothing but this call says what it would have been."""
        with told.never_to_run(callback):
            return super().chord_error_from_stack(callback, exc=exc)  # type: ignore[misc]


class Backend(Teller, RedisBackend):
    """Results in Redis as any Celery client expects them; beside each, the event from which the keeper writes SQL."""

    ResultConsumer = Listener

    def __init__(self, *args: Any, url: str | None = None, **kwargs: Any):
        # As clouds hand it out: Celery takes no rediss:// that does not say how far the server is verified.
        super().__init__(*args, url=for_results(url) if url else url, **kwargs)
        # A socket's path has none. Where Celery has no limit, a machine that is away would be waited for for minutes.
        if self.connparams.get("socket_connect_timeout", CONNECT) is None:
            self.connparams["socket_connect_timeout"] = CONNECT

    def on_task_call(self, producer: Any, task_id: str) -> None:
        """Celery subscribes here to what is to come, and would wait for a Redis that is down."""
        self.result_consumer.subscribe_at_once(task_id)

    def store_result(
        self, task_id: str, result: Any, state: str, traceback: str | None = None, request: Any = None, **kwargs: Any
    ) -> Any:
        """Result and event in one script: neither is there without the other."""
        if state not in told.STATES and stored_id(task_id) not in running:
            # Somebody's own word about a task that this process does not run: another worker's STARTED, what marks a
            # task as sent or as aborted. For those who read the result, and no report of an attempt.
            return super(Teller, self).store_result(
                task_id, result, state, traceback=traceback, request=request, **kwargs
            )
        if state == State.STARTED:  # the claim has told it
            return result
        if isinstance(result, NotRegistered) and self._returned(task_id):
            return result
        if not process.node:
            # Nothing is claimed here: a worker in a thread of somebody's tests, or a program that stores what it likes.
            # Kept as by Celery, whatever the line makes of the report.
            return super().store_result(task_id, result, state, traceback=traceback, request=request, **kwargs)
        encoded = self.encode_result(result, state)
        stored = self._meta(task_id, encoded, state, traceback, request)
        told.tell(self, task_id, result, state, traceback, request, stored=stored, expires=self._expires_after(state))
        return encoded

    def _meta(self, task_id: str, encoded: Any, state: str, traceback: Any, request: Any) -> Any:
        meta = self._get_result_meta(result=encoded, state=state, traceback=traceback, request=request)
        meta["task_id"] = task_id
        return self.encode(meta)

    def _expires_after(self, state: str) -> int:
        seconds = self.failure_expires if state == State.FAILURE else self.expires
        return int(seconds or 0) or _FOR_EVER

    @staticmethod
    def _returned(task_id: str) -> bool:
        """A job whose task this worker does not know goes back to dispatch, never straight to FAILURE (LINE 18).

        Celery tells neither the attempt nor whose it is: the claim's hash does. False: nobody submitted it here.
        """
        client, run = redis_client(), keys.run(stored_id(task_id))
        try:
            attempt, user, returned, sent = client.hmget(run, "attempt", "user", "returned", "messages")
            if attempt is None or sent is not None:
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


def is_ours(backend: Any) -> bool:
    return isinstance(backend, Backend)


def keeps_in_sql(backend: Any) -> bool:
    """Whether Celery itself writes `TaskResult`, which the keeper then leaves alone."""
    return any(cls.__module__ == _SQL_RESULTS for cls in type(backend).__mro__)


def expires_of(backend: Any) -> int:
    """[s] after which a result key of ours is forgotten."""
    return int(backend.expires or 0) or _FOR_EVER if is_ours(backend) else scripts.KEEP_FINAL


def install(app: Celery) -> None:
    """Let the project's backends tell what they are told: the one of its settings, and those that tasks have."""
    make = app._get_backend
    app._get_backend = lambda: telling(make())
    telling(app.backend)
    for task in app.tasks.values():
        telling(task.backend)


def telling(backend: Any) -> Any:
    """The same backend, which tells the stream as well."""
    if not isinstance(backend, Teller):
        backend.__class__ = _telling_class(type(backend))  # type: ignore[arg-type]
    return backend


@cache
def _telling_class(cls: type) -> type:
    return type(cls.__name__, (Teller, cls), {"__module__": cls.__module__})


def _is_known(task_id: str, request: Any) -> bool:
    return stored_id(task_id) in running or request is not None
