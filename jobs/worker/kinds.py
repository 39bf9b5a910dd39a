"""The Celery task of each kind."""

import json
import time
import traceback
from typing import Any

from celery import Task, current_task, shared_task
from celery.exceptions import SoftTimeLimitExceeded

from jobs.core.errors import NoRoom, PermanentError
from jobs.core.fields import secret_fields
from jobs.core.kind import Kind
from jobs.core.outage import unwritable
from jobs.core.outcome import MOST_TEXT, cut
from jobs.core.redaction import decrypt, is_ciphertext
from jobs.core.registry import all_kinds, task_name
from jobs.core.retry import NO_RETRY, UNTIL_ROOM, Retry
from jobs.core.states import State
from jobs.wire import celery_result
from jobs.worker import report
from jobs.worker.context import JobContext
from jobs.worker.execution import Execution, HandedOver, Reported, current


class Pooled(Task):
    """A task that goes to the queue of the pool that suits it, unless its sender names another.

    Celery's own attribute for it, `queue`, is deprecated; its setting `task_routes` is the project's.
    """

    abstract = True
    pool = ""
    # Whatever the project has for its own tasks: of a kind its policy decides.
    reject_on_worker_lost = retry_on_worker_lost = False
    # What the submitter is told, such as a file that cannot be read, is no fault of the worker's: one line in its log.
    throws = (PermanentError,)

    def apply_async(self, args: Any = None, kwargs: Any = None, *more: Any, **options: Any) -> Any:
        if not {"queue", "exchange", "routing_key"} & options.keys():
            options["queue"] = self.pool
        return super().apply_async(args, kwargs, *more, **options)


def register() -> None:
    """Make a task of every kind. Called by `jobs.tasks`, which Celery finds by itself."""
    for slug, kind in all_kinds().items():
        hard, soft = kind.time_limits()
        shared_task(
            base=Pooled, name=task_name(slug), pool=kind.pool, acks_late=True, max_retries=kind.retry.attempts - 1,
            time_limit=hard, soft_time_limit=soft,
        )(_body(kind))  # fmt: skip


def _body(kind: type[Kind]) -> Any:
    def run(*results: Any, **params: Any) -> Any:
        if results:
            raise TypeError(
                f"{kind.slug} takes its parameters by name: in a chain, .si() leaves out the result before it"
            )
        execution = current()
        if execution is None:
            raise RuntimeError(f"{kind.slug} runs inside a worker; submit it with jobs.submit")
        context = JobContext(execution, kind.pausable)
        try:
            return _small(kind().run(_clear(kind, params), context), context)
        except SoftTimeLimitExceeded:
            raise TimeoutError(f"took longer than {kind.time_limit:g} s") from None
        except HandedOver as error:
            _retry_later(execution, error, 0.0)
            raise Reported("paused: another worker takes it") from error
        except Exception as error:
            policy, told = _policy(kind, error)
            delay = policy.delay_after(told, execution.attempt - execution.first_attempt + 1)
            if delay is None:
                if told is error:
                    raise
                raise told from error
            if execution.foreign:
                # Sent on by Celery with all that is to follow; dispatch would send the task alone (LINE 6, 10).
                most = policy.attempts - 1
                raise current_task.retry(exc=told, countdown=delay, throw=False, max_retries=most) from error
            _retry_later(execution, told, delay)
            raise Reported(f"another attempt in {delay:.0f} s") from error
        finally:
            context.close()

    # Celery makes a function of this name: a slug alone may be a word of Python's (import).
    run.__name__ = run.__qualname__ = "run_" + kind.slug.replace("-", "_")
    run.__doc__ = kind.__doc__
    return run


def _policy(kind: type[Kind], error: Exception) -> tuple[Retry, Exception]:
    """Whether and when the error is followed by another attempt, and how it is told.

    Where the result could not be kept, a kind that may run twice waits until there is room for it; of another one
    nobody knows what its work has done already.
    """
    how = unwritable(error)
    if not how or (not kind.idempotent and isinstance(error, kind.retry.on)):
        return kind.retry, error
    told = NoRoom(f"The server's storage {how}: what this job makes cannot be kept ({error}).")
    told.__cause__ = error
    return UNTIL_ROOM if kind.idempotent else NO_RETRY, told


def _clear(kind: type[Kind], params: dict[str, Any]) -> dict[str, Any]:
    """The parameters with the secrets of the kind's own secret fields in clear. Any other text stays as it is, however
    it begins: a letter may tell of ciphertexts."""
    secrets = secret_fields(kind)
    return {
        name: decrypt(value) if name in secrets and is_ciphertext(value) else value for name, value in params.items()
    }


def _small(result: Any, context: JobContext) -> Any:
    """The result, or, where it is large, a reference to the artifact that holds it (LINE 11)."""
    text = json.dumps(result, default=str)
    if len(text) <= MOST_TEXT:
        return json.loads(text)
    return {"file": context.save("result.json", text.encode(), "application/json")}


def _retry_later(execution: Execution, error: BaseException, delay: float) -> None:
    """RETRY with the time of the next attempt; dispatch publishes it from SQL (LINE 6)."""
    next_at = time.time() + delay
    text = "".join(traceback.format_exception(error))
    cause = celery_result.error(type(error).__name__, str(error), type(error).__module__)
    stored = celery_result.encode(execution.task_id, State.RETRY, cause, text)
    report.state(
        execution.task_id, execution.attempt, execution.user, State.RETRY, phase="retry", stored=stored, next=next_at,
        error_type=type(error).__name__, error=cut(str(error)), traceback=cut(text), task=execution.task,
        **report.usage(execution),
    )  # fmt: skip
