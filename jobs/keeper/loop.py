"""The keeper's life: lead or stand by, and as leader record, dispatch, rescue and prune in turn."""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import redis
from django.db import DatabaseError, connection

from jobs.core import heap
from jobs.keeper import dispatch, prune, rescue, suppression
from jobs.keeper.admit import Admission
from jobs.keeper.epoch import Epoch
from jobs.keeper.stream import BATCH, Reader
from jobs.models.lease import Leader
from jobs.wire.connection import UNREACHABLE, redis_client
from jobs.wire.workers import GONE_AFTER

log = logging.getLogger(__name__)

#: [s] between turns of each duty.
DISPATCH_EVERY, RESCUE_EVERY, EPOCH_EVERY, SUPPRESSION_EVERY, PRUNE_EVERY = 0.25, 2.0, 2.0, 2.0, 600.0
#: [s] that the reader waits for events, and so the longest pause between turns.
WAIT = 0.2
#: [s] that an ending keeper goes on recording.
LAST_WORDS = 5.0


class Keeper:
    """One keeper process. Several may run; the SQL lease lets one act."""

    def __init__(self) -> None:
        self._leader = Leader("keeper")
        self._stop = threading.Event()
        self._term = 0
        self._turns: dict[str, float] = {}
        self._down = ""
        self._begin()

    def _begin(self) -> None:
        """A new term: what was seen in an earlier one is out of date."""
        self._term = self._leader.terms
        self._reader, self._watch, self._epoch = Reader(), rescue.Watch(), Epoch(GONE_AFTER)
        self._admission = Admission()

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        """Until `stop`. Outages of SQL or Redis are waited out: nothing is acknowledged that SQL does not have."""
        log.info("keeper %s", self._leader.holder)
        heap.settle()
        while not self._stop.is_set():
            try:
                if self._leader.leads():
                    if self._term != self._leader.terms:
                        self._begin()
                    self._turn()
                    self._tell_recovered()
                else:
                    self._stop.wait(1.0)
            except (*UNREACHABLE, redis.RedisError) as error:
                self._watch.blind()
                self._epoch.unsettle()
                self._wait_out("Redis", error)
            except DatabaseError as error:
                connection.close()
                self._leader.forget()
                self._wait_out("SQL", error)
        self._record_last_words()
        self._leader.resign()

    def _record_last_words(self) -> None:
        """Workers end before the keeper does: what they told until now is in SQL when nothing runs any more."""
        until = time.monotonic() + LAST_WORDS
        with suppress(*UNREACHABLE, redis.RedisError, DatabaseError):
            while self._still_leads() and self._reader.step(0.001) == BATCH and time.monotonic() < until:
                pass

    def _still_leads(self) -> bool:
        return self._leader.leads() and self._term == self._leader.terms

    def _turn(self) -> None:
        recorded = self._reader.step(WAIT)
        self._every("epoch", EPOCH_EVERY, lambda: self._epoch.look(redis_client()))
        self._every("rescue", RESCUE_EVERY, lambda: rescue.step(self._watch))
        self._every("suppression", SUPPRESSION_EVERY, suppression.step)
        if recorded < BATCH:
            # Behind with recording, SQL does not know what was published: dispatch would send it twice.
            self._every(
                "dispatch", DISPATCH_EVERY, lambda: dispatch.step(self._admission, settled=self._epoch.is_settled)
            )
            self._every("prune", PRUNE_EVERY, prune.step)

    def _every(self, duty: str, seconds: float, do: Callable[[], object]) -> None:
        now = time.monotonic()
        if now - self._turns.get(duty, 0.0) >= seconds:
            self._turns[duty] = now
            do()

    def _wait_out(self, what: str, error: Exception) -> None:
        if self._down != what:
            log.warning("%s is unreachable; nothing is lost, trying again each second: %s", what, error)
        self._down = what
        self._reader.again()
        self._stop.wait(1.0)

    def _tell_recovered(self) -> None:
        if self._down:
            log.info("%s is back", self._down)
        self._down = ""
