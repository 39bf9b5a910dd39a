"""A place that becomes free in a green pool is filled at once.

Green pools run Celery's blocking loop, which asks Redis for a message only while a place is free. With all places taken
it asks for none, and sleeps for up to 2 s whatever ends meanwhile: measured, ten places with tasks of 0.2 s gave
5 tasks/s. A pipe among the sockets that it sleeps on wakes it with each acknowledgement.
"""

import os
import time
from typing import Any

from celery import bootsteps
from celery.worker.consumer.tasks import Tasks
from kombu.utils.eventio import READ


class WakingPoller:
    """kombu's poller, of which the sleep ends when `wake` is called while no place was free."""

    def __init__(self, cycle: Any):
        self._cycle, self._inner = cycle, cycle.poller
        self._asleep = False
        self._read, self._write = os.pipe()
        for end in (self._read, self._write):
            os.set_blocking(end, False)
        self._inner.register(self._read, READ)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def poll(self, timeout: float | None) -> Any:
        """As the inner poller's; asks anew for messages after being woken."""
        until = time.monotonic() + (timeout or 0)
        while True:
            self._asleep = not all(channel.qos.can_consume() for channel in self._cycle._channels)
            found = self._inner.poll(max(0.0, until - time.monotonic()) if timeout else timeout) or []
            self._asleep = False
            events = [(number, event) for number, event in found if number != self._read]
            if events or not found:
                return events
            os.read(self._read, 1024)
            self._cycle.on_poll_start()

    def wake(self) -> None:
        if self._asleep:
            self._asleep = False
            os.write(self._write, b".")

    def close(self) -> None:
        """Give the cycle its own poller back."""
        self._cycle.poller = self._inner
        self._inner.unregister(self._read)
        os.close(self._read)
        os.close(self._write)


class Wake(bootsteps.StartStopStep):
    """Puts the waking poller in place in a green worker, and lets acknowledgements ring it."""

    requires = (Tasks,)

    def __init__(self, consumer: Any, **kwargs: Any):
        self._poller: WakingPoller | None = None
        super().__init__(consumer, **kwargs)

    def start(self, consumer: Any) -> None:
        cycle: Any = getattr(consumer.connection.transport, "cycle", None)
        if not getattr(consumer.pool, "is_green", False) or not hasattr(cycle, "on_poll_start"):
            return  # other pools have an event loop that looks by itself; other brokers push
        poller = self._poller = WakingPoller(cycle)
        cycle.poller = poller
        qos = consumer.task_consumer.channel.qos
        acknowledge = qos._quick_ack

        def acknowledge_and_wake(tag: str) -> None:
            acknowledge(tag)
            poller.wake()

        qos._quick_ack = acknowledge_and_wake

    def stop(self, consumer: Any) -> None:
        if self._poller is not None:
            self._poller.close()
            self._poller = None
