"""What Redis is told of the messages that a worker has in hand, without a round trip for each.

Between the end of a task and the start of the next one a prefork master would wait for Redis twice more: for the
acknowledgement, and for the next message to be written down before it is handed to a process. Neither answer decides
anything. A message that a cut connection kept from Redis is written down with the next one; where the worker dies
before, dispatch misses it and sends it again. One whose acknowledgement is lost is delivered again, and the claim
refuses it (LINE 1, 12).
"""

import logging
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import redis
from celery import bootsteps
from kombu.transport import virtual
from kombu.transport.redis import QoS
from kombu.utils.json import dumps

from jobs.wire.publish import HOLDER_HEADER
from jobs.worker.connections import ShareConnections
from jobs.worker.execution import process

log = logging.getLogger(__name__)

#: [s] that an acknowledgement waits for company at most.
WAIT = 0.05

Command = tuple[Any, ...]


class KeepUnacked(bootsteps.StartStopStep):
    """Has the consumer's channel write down what it has in hand without waiting, and gather what it acknowledges."""

    requires = (ShareConnections,)

    def __init__(self, consumer: Any, **kwargs: Any):
        self._unacked: Unacked | None = None
        super().__init__(consumer, **kwargs)

    def start(self, consumer: Any) -> None:
        qos = getattr(consumer.task_consumer.channel, "qos", None)
        if type(qos) is QoS:
            self._unacked = Unacked(qos, consumer.timer, consumer.connection_errors)

    def stop(self, consumer: Any) -> None:
        """Of a worker that stops Redis hears at once: the rest is put back, and the timer ends."""
        if self._unacked:
            self._unacked.end()
            self._unacked = None


class Unacked:
    """In place of what `kombu.transport.redis.QoS` does at each message. Any thread may acknowledge; the consumer's
    alone appends."""

    def __init__(self, qos: Any, timer: Any, errors: tuple[type[BaseException], ...]):
        self._qos, self._timer, self._errors = qos, timer, errors
        self._acked: deque[str] = deque()
        self._waits = self._ended = False
        self._ahead = Ahead(qos.channel.pool)
        #: Of the messages that the last commands wrote down: tag -> text.
        self._unheard: dict[str, str] = {}
        qos.append, qos.ack, qos.pipe_or_acquire = self.append, self.ack, self.pipe_or_acquire

    def append(self, message: Any, tag: str) -> None:
        """Write down a message as kombu does, and who has it, with what was acknowledged since the last one."""
        where, raw = message.delivery_info, message._raw
        held = {**raw, "headers": {**(raw.get("headers") or {}), HOLDER_HEADER: process.key}}
        text = dumps([held, where["exchange"], where["routing_key"]])
        self._unheard = {**self._unheard_in_hand(), tag: text}
        now = time.time()
        self._ahead.send(
            [
                *self._acknowledge(),
                ("ZADD", self._qos.unacked_index_key, *(part for each in self._unheard for part in (now, each))),
                ("HSET", self._qos.unacked_key, *(part for pair in self._unheard.items() for part in pair)),
            ]
        )
        virtual.QoS.append(self._qos, message, tag)
        if self._ended:
            self._ahead.end()

    def _unheard_in_hand(self) -> dict[str, str]:
        """What was sent last and did not reach Redis for certain, as far as it is still in hand: what came back after
        its acknowledgement would be delivered once more."""
        if self._ahead.is_answered():
            return {}
        return {
            tag: text
            for tag, text in self._unheard.items()
            if tag in self._qos._delivered and tag not in self._qos._dirty
        }

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
            for command in self._acknowledge():
                pipe.execute_command(*command)
            yield pipe

    def _acknowledge(self) -> list[Command]:
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
        self._ahead.end()
        self.flush()

    def _write(self) -> None:
        if self._acked:
            with self.pipe_or_acquire() as pipe:
                pipe.execute()


class Ahead:
    """Commands that Redis may answer later: what it answered is read before the next ones are sent."""

    def __init__(self, pool: Any):
        self._pool = pool
        self._connection: Any = None
        self._answers = 0

    def is_answered(self) -> bool:
        """Whether Redis has carried out all that was sent; False: the connection was cut, and perhaps it has not.

        Raises what Redis refused.
        """
        if self._connection is None:
            return True
        try:
            while self._answers:
                self._connection.read_response()
                self._answers -= 1
        except redis.ConnectionError:
            self.close()
            return False
        except BaseException:
            self.close()  # the answers that are left are nobody's
            raise
        self._drop_if_cut()
        return True

    def _drop_if_cut(self) -> None:
        """A connection that was cut while nothing was on its way would take the next commands and lose them."""
        try:
            cut = self._connection.can_read()
        except redis.ConnectionError:
            cut = True
        if cut:
            self.close()

    def send(self, commands: list[Command]) -> None:
        """To be called once all before is answered, or given up. Raises redis errors."""
        try:
            self._write(commands)
        except redis.ConnectionError:
            self._write(commands)

    def _write(self, commands: list[Command]) -> None:
        if self._connection is None:
            self._connection = self._pool.get_connection()
        try:
            self._connection.send_packed_command(self._connection.pack_commands(commands))
        except BaseException:
            self.close()
            raise
        self._answers = len(commands)

    def end(self) -> None:
        """On return Redis has carried out what was sent, if it answers at all."""
        with suppress(redis.RedisError, OSError):
            self.is_answered()
        self.close()

    def close(self) -> None:
        connection, self._connection, self._answers = self._connection, None, 0
        if connection is not None:
            with suppress(redis.RedisError, OSError):
                connection.disconnect()
            self._pool.release(connection)
