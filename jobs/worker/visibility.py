"""Messages in hand stay in hand: kombu never renews the visibility timeout of its Redis transport.

Measured: a late-acknowledged task that ran longer than the timeout was delivered again and again, and green workers
never gave back what a dead worker had in hand.
"""

import logging
import time
from typing import Any

from celery import bootsteps
from celery.worker.consumer.tasks import Tasks

log = logging.getLogger(__name__)


class RenewVisibility(bootsteps.StartStopStep):
    """A timer of the consumer: touch what this worker holds, put back what nobody has touched for the whole timeout."""

    requires = (Tasks,)

    def __init__(self, consumer: Any, **kwargs: Any):
        self._timer: Any = None
        super().__init__(consumer, **kwargs)

    def start(self, consumer: Any) -> None:
        options = consumer.app.conf.broker_transport_options or {}
        timeout = float(options.get("visibility_timeout", 3600))
        self._timer = consumer.timer.call_repeatedly(timeout / 4, self._renew, (consumer,))

    def stop(self, consumer: Any) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @staticmethod
    def _renew(consumer: Any) -> None:
        channel: Any = getattr(consumer.task_consumer, "channel", None)
        qos = getattr(channel, "qos", None)
        if qos is None or not hasattr(channel, "unacked_index_key"):
            return
        try:
            with channel.conn_or_acquire() as client:
                mine = {tag: time.time() for tag in list(qos._delivered)}
                if mine:
                    client.zadd(channel.unacked_index_key, mine, xx=True)
            qos.restore_visible(num=100, interval=1)
        except consumer.connection_errors as error:
            # The consumer notices by itself and reconnects; the next round renews.
            log.info("could not renew the visibility timeout: %s", error)
