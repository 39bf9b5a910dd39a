"""Celery's subscription to the results of the tasks that this process calls, where it may keep nobody waiting."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from celery._state import task_join_will_block
from celery.backends.redis import ResultConsumer

from jobs.wire.connection import UNREACHABLE, breaker

#: Subscriptions after which the server's answers are read: they pile up there where nobody asks for results.
_READ_AFTER = 100
#: [s] that a call waits for its turn, where several threads share a backend.
_LOCKED = 0.1


class Listener(ResultConsumer):
    """As Celery's, but neither a call of a task nor a result that is thrown away waits for Redis.

    While Redis is down Celery's tries to connect for 19 s in both. Here a lost connection is given up, and whoever asks
    for a result, and so waits anyway, makes up for what was missed.
    """

    _pubsub: Any = None

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self._unread = 0
        self._patience = threading.local()

    def subscribe_at_once(self, task_id: str) -> None:
        """Called before a task is sent. Only the main thread subscribes: other threads serve requests, each with a
        backend of its own, and would hold a connection each for results that hardly any of them asks for."""
        if threading.current_thread() is threading.main_thread() and not task_join_will_block():
            # Held for long by a thread alone that waits for a result, and for Redis to come back.
            if not self._pubsub_lock.acquire(timeout=_LOCKED):
                return
            try:
                with suppress(ConnectionError):
                    breaker.call(self._subscribe, self._get_key_for_task(task_id))
            finally:
                self._pubsub_lock.release()

    def _subscribe(self, key: Any) -> None:
        with self._locked():
            self._pending_unsubscribe.discard(key)
            if key in self.subscribed_to or self._has_missed():
                return
            if self._pubsub is None:
                self._pubsub = self.backend.client.pubsub(ignore_subscribe_messages=True)
            try:
                self._pubsub.subscribe(key)
            except UNREACHABLE:
                self._give_up()
                raise
            self.subscribed_to.add(key)
            self._unread += 1
            if self._unread >= _READ_AFTER and not self._socket_waiter:
                self._unread = 0
                while self._pubsub is not None and self._drain_one(self._pubsub, 0):
                    pass

    def consume_from(self, task_id: str) -> None:
        with self._waiting():
            self._catch_up()
            super().consume_from(task_id)

    def drain_events(self, timeout: float | None = None) -> None:
        with self._waiting():
            self._catch_up()
            super().drain_events(timeout)

    def _reconnect(self) -> None:
        if getattr(self._patience, "depth", 0):
            super()._reconnect()
        else:
            self._give_up()

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """The calling thread waits for a result, and may wait for Redis."""
        self._patience.depth = getattr(self._patience, "depth", 0) + 1
        try:
            yield
        finally:
            self._patience.depth -= 1

    def _give_up(self) -> None:
        pubsub, self._pubsub = self._pubsub, None
        if pubsub is not None:
            pubsub.close()

    def _has_missed(self) -> bool:
        return self._pubsub is None and bool(self.subscribed_to)

    def _catch_up(self) -> None:
        """Subscribe anew to all that is waited for, and read what has been stored meanwhile."""
        with self._locked():
            if self._has_missed():
                with self.reconnect_on_error():
                    self._reconnect_pubsub()
