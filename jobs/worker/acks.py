"""Acknowledgements that do not cost a round trip each: they go with whatever the channel writes next.

Between the end of a task and the start of the next one, the prefork master waits for Redis; without this, once more.
An acknowledgement that is lost with its process costs nothing either: the message is delivered again, and the claim
refuses it (LINE 1).
"""

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import bootsteps
from kombu.transport import redis, virtual

from jobs.worker.connections import ShareConnections

log = logging.getLogger(__name__)

#: [s] that an acknowledgement waits for company at most.
WAIT = 0.05


class GatherAcks(bootsteps.StartStopStep):
    """Has the consumer's channel gather what it acknowledges."""

    requires = (ShareConnections,)

    def __init__(self, consumer: Any, **kwargs: Any):
        self._gathered: Gathered | None = None
        super().__init__(consumer, **kwargs)

    def start(self, consumer: Any) -> None:
        qos = getattr(consumer.task_consumer.channel, "qos", None)
        if type(qos) is redis.QoS:
            self._gathered = Gathered(qos, consumer.timer, consumer.connection_errors)

    def stop(self, consumer: Any) -> None:
        """What ends from now on, in a worker that stops, is acknowledged at once: its timer ends as well."""
        if self._gathered:
            self._gathered.end()
            self._gathered = None


class Gathered:
    """The acknowledged of one `kombu.transport.redis.QoS` that Redis has not heard of yet."""

    def __init__(self, qos: Any, timer: Any, errors: tuple[type[BaseException], ...]):
        self._qos, self._timer, self._errors = qos, timer, errors
        self._tags: deque[str] = deque()
        self._waits = self._ended = False
        qos.ack, qos.pipe_or_acquire = self.ack, self.pipe_or_acquire

    def ack(self, tag: str) -> None:
        self._tags.append(tag)
        virtual.QoS.ack(self._qos, tag)
        if self._ended:
            self._write()
        elif not self._waits:
            self._waits = True
            self._timer.call_after(WAIT, self.flush)

    @contextmanager
    def pipe_or_acquire(self, pipe: Any = None, client: Any = None) -> Iterator[Any]:
        """As kombu's, for all that it writes; a fresh pipeline begins with what is gathered."""
        if pipe:
            yield pipe
            return
        with self._qos.channel.conn_or_acquire(client) as client:
            pipe = client.pipeline()
            tags = []
            while self._tags:
                tags.append(self._tags.popleft())
            if tags:
                pipe.zrem(self._qos.unacked_index_key, *tags).hdel(self._qos.unacked_key, *tags)
            yield pipe

    def flush(self) -> None:
        self._waits = False
        try:
            self._write()
        except self._errors as error:
            # The consumer notices by itself and reconnects.
            log.info("could not acknowledge: %s", error)

    def end(self) -> None:
        self._ended = True
        self.flush()

    def _write(self) -> None:
        if self._tags:
            with self.pipe_or_acquire() as pipe:
                pipe.execute()
