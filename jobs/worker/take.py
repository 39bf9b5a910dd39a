"""A worker takes a message and writes down that it has it in one step.

kombu pops a message and, once it has arrived, writes down in `unacked` who has it. What was popped and not written down
was gone when the worker or Redis died between the two: of other people's tasks nobody else knew (measured: 3 of 5,000
under 30 kills). `lua/take.lua` does both at once.

A script cannot wait as BRPOP does. So Redis says when one of the lists that were found empty changes (CLIENT TRACKING,
https://redis.io/docs/latest/develop/reference/client-side-caching/); where it does not, the worker asks often.
"""

import logging
import time
import uuid
from collections.abc import Callable
from queue import Empty
from typing import Any

import redis
from kombu.utils.encoding import bytes_to_str
from kombu.utils.json import loads

from jobs.wire import keys, scripts
from jobs.worker.execution import process

log = logging.getLogger(__name__)

Command = tuple[Any, ...]

#: [s] after which the lists are asked for anyway; and where Redis does not say that one has changed.
ASK_ANYWAY, ASK_OFTEN = 5.0, 0.1

#: What `read_response` answers in place of Redis' word that a list has changed.
_CHANGED = object()


class Numbers:
    """Numbers the takes of one consumer over all its connections: one whose answer was lost is answered once more."""

    def __init__(self) -> None:
        self.key = keys.last_take(uuid.uuid4().hex)
        self.current = 1


class Take:
    """In place of kombu's BRPOP on one channel: `start` asks, `read` hears. Of the consumer's thread alone."""

    def __init__(self, channel: Any, numbers: Numbers, acknowledge: Callable[[], list[Command]], timer: Any):
        self._channel, self._numbers, self._acknowledge, self._timer = channel, numbers, acknowledge, timer
        #: Whether what is being delivered stands in `unacked` already.
        self.is_written_down = False
        #: The connection for whose socket Redis was asked to track what it reads, and whether it does.
        self._told: Any = None
        self._tracks = False
        self._changed = False
        #: The answers that are on their way before that of the script; None: none is, and Redis' word is waited for.
        self._ahead: list[str] | None = None
        self._reads = False
        self._asked_at = 0.0
        self._asked_for: list[str] = []
        self._script: Command = ("EVALSHA", scripts.digest("take"))
        channel._brpop_start, channel._brpop_read = self.start, self.read
        channel.handlers["BRPOP"] = self.read

    def start(self, timeout: float | None = None) -> None:
        """Ask for a message; with it goes what was acknowledged meanwhile."""
        channel = self._channel
        queues = channel._queue_cycle.consume(len(channel.active_queues))
        if not queues:
            return
        connection = channel.client.connection
        prefix = channel.global_keyprefix
        lists = [channel._q_for_pri(queue, step) for step in channel.priority_steps for queue in queues]
        own = [self._numbers.key, channel.unacked_index_key, channel.unacked_key]
        names = [prefix + name for name in (*lists, *own)]
        commands = self._acknowledge()
        self._ahead = ["acknowledged"] * len(commands)
        if self._told is not connection._sock:
            self._told, self._tracks = connection._sock, False
            if int(connection.protocol) == 3:
                connection._parser.set_invalidation_push_handler(self._on_change)
                commands.append(("CLIENT", "TRACKING", "ON", "NOLOOP"))
                self._ahead.append("tracks")
        commands.append((*self._script, len(names), *names, process.key, self._numbers.current))
        self._changed = False
        self._asked_at, self._asked_for = time.monotonic(), sorted(queues)
        channel._in_poll, channel._brpop_sent_at = connection, self._asked_at
        connection.send_packed_command(connection.pack_commands(commands), check_health=False)

    def look(self) -> None:
        """Ask though Redis said nothing, when it is time, or where another queue is to be served since."""
        channel = self._channel
        if self._reads or self._ahead is not None or not channel._in_poll or not channel.qos.can_consume():
            return
        waited = time.monotonic() - self._asked_at
        if waited < (ASK_ANYWAY if self._tracks else ASK_OFTEN) and sorted(channel.active_queues) == self._asked_for:
            return
        channel._in_poll = None
        channel._flush_brpop_reauth()
        if channel.client.connection._sock is None:
            return
        try:
            self.start()
        except channel.connection_errors as error:
            # The consumer notices by itself and reconnects.
            log.info("could not ask for messages: %s", error)

    def read(self, **_: Any) -> bool:
        """Deliver the message that was asked for. Raises Empty where there is none."""
        channel = self._channel
        if self._ahead is None and channel._closing:
            raise Empty
        connection = channel.client.connection
        self._reads = True
        try:
            if self._ahead is None:
                self._one(connection)  # Redis' word that a list has changed
                found = None
                self._idle()
            else:
                found = self._answer(connection)
        except channel.connection_errors:
            connection.disconnect()
            self._idle()
            raise
        except BaseException:
            self._idle()
            raise
        finally:
            self._reads = False
        if found is None:
            raise Empty
        self._idle()
        self._deliver(*found)
        return True

    def _idle(self) -> None:
        """Nothing is on its way: the next round of the loop asks."""
        self._ahead = None
        self._channel._in_poll = None
        self._channel._flush_brpop_reauth()

    def _answer(self, connection: Any) -> tuple[str, bytes, int] | None:
        assert self._ahead is not None
        refused: Exception | None = None
        for what in self._ahead:
            try:
                self._one(connection)
                self._tracks |= what == "tracks"
            except redis.RedisError as error:
                if connection._sock is None:
                    raise
                if what != "tracks":  # a Redis that does not track is asked often
                    refused = error
        try:
            answer = self._one(connection)
        except redis.exceptions.NoScriptError:
            self._script = ("EVAL", scripts.source("take"))
            self._idle()
            return None
        self._script = ("EVALSHA", scripts.digest("take"))
        if refused:
            raise refused  # the message, if there is one, is answered again
        if answer is not None:
            self._numbers.current += 1
            name, text, how = answer
            return bytes_to_str(name)[len(self._channel.global_keyprefix) :], text, int(how)
        if self._changed or (self._tracks and connection.can_read()):
            self._idle()
        else:
            self._ahead, self._channel._brpop_sent_at = None, None
            if not self._tracks:
                self._timer.call_after(ASK_OFTEN, self.look)
        return None

    def _one(self, connection: Any) -> Any:
        """The next answer; before it may come Redis' word that a list has changed, which alone ends a wait."""
        while True:
            answer = connection.read_response(push_request=True)
            if answer is not _CHANGED or self._ahead is None:
                return answer

    def _on_change(self, word: Any) -> object:
        self._changed = True
        return _CHANGED

    def _deliver(self, name: str, text: bytes, how: int) -> None:
        channel = self._channel
        queue = name.rsplit(channel.sep, 1)[0]
        channel._queue_cycle.rotate(queue)
        message = loads(bytes_to_str(text))
        self.is_written_down = how > 0
        try:
            channel.connection._deliver(message[0] if how == 2 else message, queue)
        finally:
            self.is_written_down = False
