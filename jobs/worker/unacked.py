"""What Redis is told of the messages that a worker has in hand, without a round trip for each.

Taken and written down they are in one step (take.py). Between the end of a task and the start of the next one a prefork
master would wait for Redis once more, for the acknowledgement. Its answer decides nothing: where one is lost, the
message is delivered again, and the claim refuses it. So acknowledgements are gathered, and go with what is sent next.
"""

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import bootsteps
from kombu.transport import virtual
from kombu.transport.redis import QoS

from jobs.worker.connections import ShareConnections
from jobs.worker.take import Command, Numbers, Take

log = logging.getLogger(__name__)

#: [s] that an acknowledgement waits for company at most; and between two looks whether it is time to ask for messages.
WAIT, LOOK = 0.05, 1.0


class KeepUnacked(bootsteps.StartStopStep):
    """Has the consumer's channel take and write down messages in one step, and gather what it acknowledges."""

    requires = (ShareConnections,)

    def __init__(self, consumer: Any, **kwargs: Any):
        self._unacked: Unacked | None = None
        self._timer: Any = None
        self._numbers = Numbers()
        super().__init__(consumer, **kwargs)

    def start(self, consumer: Any) -> None:
        channel = consumer.task_consumer.channel
        if type(getattr(channel, "qos", None)) is QoS:
            self._unacked = Unacked(channel, consumer.timer, consumer.connection_errors, self._numbers)
            self._timer = consumer.timer.call_repeatedly(LOOK, self._unacked.take.look)

    def stop(self, consumer: Any) -> None:
        """Of a worker that stops Redis hears at once: the rest is put back, and the timer ends."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._unacked:
            self._unacked.end()
            self._unacked = None


class Unacked:
    """In place of what `kombu.transport.redis.QoS` does at each message. Any thread may acknowledge; the consumer's
    alone appends."""

    def __init__(self, channel: Any, timer: Any, errors: tuple[type[BaseException], ...], numbers: Numbers):
        self._qos, self._timer, self._errors = channel.qos, timer, errors
        self._acked: deque[str] = deque()
        self._waits = self._ended = False
        self.take = Take(channel, numbers, self.acknowledged, timer)
        qos = self._qos
        qos.append, qos.ack, qos.pipe_or_acquire = self.append, self.ack, self.pipe_or_acquire

    def append(self, message: Any, tag: str) -> None:
        """Remember a message; kombu writes down one of which `take.lua` could not."""
        (virtual.QoS if self.take.is_written_down else QoS).append(self._qos, message, tag)

    def ack(self, tag: str) -> None:
        virtual.QoS.ack(self._qos, tag)
        self._acked.append(tag)
        if self._ended:
            self._write()
        elif not self._waits:
            self._waits = True
            self._timer.call_after(WAIT, self.flush)

    @contextmanager
    def pipe_or_acquire(self, pipe: Any = None, client: Any = None) -> Iterator[Any]:
        """As kombu's, for what it writes otherwise; a fresh pipeline begins with what was acknowledged."""
        if pipe:
            yield pipe
            return
        with self._qos.channel.conn_or_acquire(client) as client:
            pipe = client.pipeline()
            for command in self.acknowledged():
                pipe.execute_command(*command)
            yield pipe

    def acknowledged(self) -> list[Command]:
        """What tells Redis of all that was acknowledged since the last time, to be sent now."""
        tags = []
        while self._acked:
            tags.append(self._acked.popleft())
        return [("ZREM", self._qos.unacked_index_key, *tags), ("HDEL", self._qos.unacked_key, *tags)] if tags else []

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
        if self._acked:
            with self.pipe_or_acquire() as pipe:
                pipe.execute()
