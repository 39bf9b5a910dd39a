from django.db import models
from django.utils import timezone


class LoginCount(models.Model):
    """How many wrong passwords came lately for one account, from one address or from one known browser.

    In SQL, since all web processes must count together, and since whoever takes Redis away must neither open the door
    nor lock everybody out: without SQL nobody logs in anyway.
    """

    #: A digest, since a name may be of any length, and since people type passwords into the field of the name.
    key = models.CharField(max_length=64, primary_key=True)
    failures = models.PositiveIntegerField(default=0)
    #: No password is looked at before this moment.
    until = models.DateTimeField(default=timezone.now)
    changed = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return f"{self.failures} wrong passwords, wait until {self.until}"
