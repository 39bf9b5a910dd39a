from django.conf import settings
from django.db import models
from django.utils import timezone


class Suppression(models.Model):
    """An address that no mailing writes to. Rows are added and deleted, never changed: the keeper tells by their
    number and the last key whether its copy for workers is up to date (keeper/suppression.py)."""

    #: Bare, in lower case, its domain in ASCII.
    address = models.CharField(max_length=320, unique=True)
    #: Why, in words: unsubscribed, bounced.
    reason = models.CharField(max_length=200, blank=True)
    added_at = models.DateTimeField(default=timezone.now)
    #: None: the command line.
    added_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    def __str__(self) -> str:
        return self.address
