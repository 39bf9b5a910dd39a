"""What turns a Celery worker into one of Jobsite's: connected to Celery's signals, nothing to change in any task."""

import logging
import signal
import threading
import time
from typing import Any

from celery import Celery, bootsteps, current_task, signals
from django.conf import settings

from jobs.core import heap
from jobs.core.ids import stored_id
from jobs.wire.publish import POLICY_HEADER, USER_HEADER
from jobs.worker import backend, external, guard, interrupt, lease, logs
from jobs.worker.connections import ShareConnections, outlive_refusals
from jobs.worker.execution import process, running
from jobs.worker.loopguard import LoopGuard
from jobs.worker.outbox import outbox
from jobs.worker.rawredis import RawRedis
from jobs.worker.real import lock_logging_for_real
from jobs.worker.steering import Steering
from jobs.worker.unacked import KeepUnacked
from jobs.worker.visibility import RenewVisibility
from jobs.worker.wake import Wake

log = logging.getLogger(__name__)

#: [s] that an ending process tries to hand its last reports to Redis.
LAST_WORDS = 10.0


def install() -> None:
    """Connect to the signals; harmless in processes that are no workers."""
    signals.celeryd_init.connect(_add_steps, weak=False, dispatch_uid="jobsite")
    signals.celeryd_after_setup.connect(_on_worker, weak=False, dispatch_uid="jobsite")
    signals.worker_ready.connect(_on_ready, weak=False, dispatch_uid="jobsite")
    signals.worker_process_init.connect(_on_child, weak=False, dispatch_uid="jobsite")
    signals.worker_process_shutdown.connect(_on_child_end, weak=False, dispatch_uid="jobsite")
    signals.worker_shutdown.connect(_on_end, weak=False, dispatch_uid="jobsite")
    signals.before_task_publish.connect(_pass_on_owner, weak=False, dispatch_uid="jobsite")
    signals.after_task_publish.connect(external.tell_sent, weak=False, dispatch_uid="jobsite")


def _pass_on_owner(headers: dict[str, Any], **_: Any) -> None:
    """What a task starts is its owner's too, also once its body has ended: Celery sends on chains and chords then."""
    if not current_task or not (user := getattr(current_task.request, USER_HEADER, None)):
        return
    headers.setdefault(USER_HEADER, user)
    policy = getattr(current_task.request, POLICY_HEADER, None) or {}
    headers.setdefault(POLICY_HEADER, {"owner": policy.get("owner", "")})


def _add_steps(sender: str, instance: Any, **_: Any) -> None:
    outlive_refusals()
    instance.app.steps["consumer"].update((ShareConnections, KeepUnacked, RenewVisibility, Steering, Wake))


def _on_worker(sender: str, instance: Any, conf: Any, **_: Any) -> None:
    """Before the pool starts: what this process is, and the guard around every task."""
    app: Celery = instance.app
    process.node = sender
    process.pool = _pool_name(instance)
    process.concurrency = instance.concurrency or 0
    process.queues = tuple(queue.name for queue in app.amqp.queues.consume_from.values())
    process.also_held = _active_requests if process.pool == "prefork" else None
    # However it was told to: a signal, a remote command, the consumer's own error.
    process.stops = lambda: instance.blueprint.state in (bootsteps.CLOSE, bootsteps.TERMINATE)
    logs.install()
    app.finalize()
    backend.install(app)
    guard.install(app)
    if process.pool in ("eventlet", "gevent"):
        _forbid_sql()
        _share_backend(app)
    elif process.pool == "prefork":
        _replace_children_at_once(instance.pool_cls)
    # Billiard collects before each fork, a quarter of a second while the whole pool waits; the event loop waits as long
    # for each full collection; and pages that no collection writes to stay shared with the children. A worker in a
    # thread of somebody's tests, which may start one after the other, has no say over what that program keeps.
    if threading.current_thread() is threading.main_thread():
        heap.settle()


def _share_backend(app: Celery) -> None:
    """One results backend for all green threads: Celery makes one a thread, which is one a task, and that was 44 % of
    what a no-op cost. Every write of ours is a single call over `redis_client`, so that sharing it is safe. Of another
    backend nobody knows: that stays one a thread.
    """
    shared = app.backend
    if backend.is_ours(shared):
        shared.thread_safe = True
        app._backend = shared


def _replace_children_at_once(pool: Any) -> None:
    from jobs.worker import children

    pool.Pool = children.Pool


def _pool_name(instance: Any) -> str:
    module = getattr(instance.pool_cls, "__module__", str(instance.pool_cls))
    return module.rsplit(".", 1)[-1]


def _on_ready(**_: Any) -> None:
    if process.pool in ("eventlet", "gevent"):
        lock_logging_for_real()
    lease.start()
    if process.pool in ("eventlet", "gevent"):
        _guard_loop()


def _guard_loop() -> None:
    """The green threads of Jobsite's own, and the guard that watches the loop from outside it."""
    loop = LoopGuard(settings.LOOP_BLOCK_THRESHOLD / 1000)
    process.lags = loop.take_lag
    if process.pool == "eventlet":
        from eventlet import spawn_n as spawn
    else:
        from gevent import spawn
    spawn(interrupt.serve_hub)
    spawn(loop.beat)
    loop.start()


def _on_child(**_: Any) -> None:
    """In a fresh prefork child: nothing of the parent's is this process's."""
    process.is_child = True
    process.also_held = None
    process.started = time.time()
    running.clear()
    outbox.clear()
    signal.signal(interrupt.SIGNAL, interrupt.on_signal)
    lease.start()


def _on_child_end(**_: Any) -> None:
    _last_words()


def _on_end(**_: Any) -> None:
    if process.node:
        _last_words()


def _last_words() -> None:
    raw = RawRedis(settings.REDIS_URL)
    outbox.flush(raw, LAST_WORDS)
    lease.say_goodbye(raw)
    raw.close()


def _active_requests() -> list[str]:
    """The prefork master vouches for what its children have in hand, also while one of them holds the GIL for long."""
    from celery.worker import state

    return [stored_id(request.id) for request in list(state.active_requests)]


def _forbid_sql() -> None:
    """LINE 13: a driver's wait would stop every green thread of the process, and each would open a connection."""
    from django.db.backends.signals import connection_created

    def refuse(connection: Any, **_: Any) -> None:
        connection.close()
        raise RuntimeError(
            "no SQL in the io pool: the driver would block every other job of this worker. "
            "Pass what is needed in the parameters, or run the task in the cpu pool."
        )

    connection_created.connect(refuse, weak=False, dispatch_uid="jobsite-no-sql")
