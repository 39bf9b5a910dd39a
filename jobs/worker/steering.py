"""What operators wish of a running worker, followed by itself: queues that it leaves alone while they are paused."""

import logging
from typing import Any

from celery import bootsteps
from celery.worker.consumer.tasks import Tasks

from jobs.wire import keys
from jobs.worker.execution import process

log = logging.getLogger(__name__)

#: [s] between looks.
EVERY = 1.0


class Steering(bootsteps.StartStopStep):
    """Looks before the first message is asked for, then every second: a wish cannot be missed, only be late."""

    requires = (Tasks,)

    def __init__(self, consumer: Any, **kwargs: Any):
        self._timer: Any = None
        #: What was stopped here. A queue that somebody stopped by `celery control cancel_consumer` stays so.
        self._stopped: set[str] = set()
        super().__init__(consumer, **kwargs)

    def start(self, consumer: Any) -> None:
        # Unlike later, a failure here is not passed over: the consumer connects again rather than start unsteered.
        self._follow(consumer)
        self._timer = consumer.timer.call_repeatedly(EVERY, self._look, (consumer,))

    def stop(self, consumer: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self, consumer: Any) -> None:
        try:
            self._follow(consumer)
        except consumer.connection_errors as error:
            log.info("could not ask which queues are paused: %s", error)

    def _follow(self, consumer: Any) -> None:
        channel: Any = getattr(consumer.task_consumer, "channel", None)
        if not hasattr(channel, "conn_or_acquire"):
            return  # another broker than Redis
        with channel.conn_or_acquire() as client:
            paused = {name.decode() if isinstance(name, bytes) else name for name in client.hkeys(keys.PAUSED)}
        # Of what is chosen, not of what is consumed: at the start nothing is consumed yet, but would be. Remote control
        # may have added others since, or cancelled some.
        chosen = consumer.app.amqp.queues.consume_from
        process.queues = tuple(dict.fromkeys([*chosen, *sorted(self._stopped)]))
        for queue in process.queues:
            if queue in paused and queue in chosen:
                consumer.cancel_task_queue(queue)
                self._stopped.add(queue)
            elif queue not in paused and queue in self._stopped:
                consumer.add_task_queue(queue)
                self._stopped.remove(queue)
        # Of the channel, not of the wish: a channel that is being read puts the stop off to the end of its read, and
        # a message may come in by then.
        process.paused = tuple(self._stopped.intersection(process.queues).difference(channel.active_queues))
        process.concurrency = consumer.pool.num_processes or process.concurrency
