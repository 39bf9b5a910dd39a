import logging
import os
import socket
import time
import uuid
from datetime import timedelta

from django.db import close_old_connections, models
from django.utils import timezone

log = logging.getLogger(__name__)


class Lease(models.Model):
    """Who acts where only one may: the keeper, the scheduler."""

    name = models.CharField(max_length=40, primary_key=True)
    holder = models.CharField(max_length=64)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} held by {self.holder}"

    @classmethod
    def take(cls, name: str, holder: str, seconds: float) -> bool:
        """Take or renew the lease; False while another holds it.

        The conditional UPDATE settles the race: of two that find it expired, one changes the row and
        the other's WHERE no longer matches.
        """
        now = timezone.now()
        until = now + timedelta(seconds=seconds)
        free_or_mine = models.Q(holder=holder) | models.Q(until__lt=now)
        if cls.objects.filter(free_or_mine, name=name).update(holder=holder, until=until):
            return True
        return cls.objects.get_or_create(name=name, defaults={"holder": holder, "until": until})[1]

    @classmethod
    def release(cls, name: str, holder: str) -> None:
        cls.objects.filter(name=name, holder=holder).delete()


class Leader:
    """One process' claim to a lease, renewed as it goes. `terms` counts how often it has come to lead."""

    def __init__(self, name: str, lasts: float = 15.0):
        """lasts: of a lease whose holder vanished [s]; it is renewed after a quarter of it."""
        self.name, self.lasts = name, lasts
        self.holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"[:64]
        self.terms = 0
        self._until = 0.0

    def leads(self) -> bool:
        """Whether this process may act now; takes or renews the lease where it is time. Raises DatabaseError."""
        now = time.monotonic()
        if now < self._until - 0.75 * self.lasts:
            return True
        close_old_connections()
        took = Lease.take(self.name, self.holder, self.lasts)
        if took and not self._until:
            self.terms += 1
            log.info("this %s leads", self.name)
        elif not took and self._until:
            log.warning("another %s leads now", self.name)
        self._until = now + self.lasts if took else 0.0
        return took

    def forget(self) -> None:
        """After an outage of SQL: whether the lease still holds is to be asked anew."""
        self._until = 0.0

    def resign(self) -> None:
        """At an orderly end, so that the next one leads at once."""
        if self._until:
            Lease.release(self.name, self.holder)
            self._until = 0.0
