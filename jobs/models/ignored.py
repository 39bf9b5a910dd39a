from django.conf import settings
from django.db import models
from django.utils import timezone


class IgnoredFailure(models.Model):
    """A cause of failures that somebody has seen enough of: out of sight until a job fails of it after `at`."""

    #: core/signature.py
    signature = models.CharField(max_length=200, unique=True)
    at = models.DateTimeField(default=timezone.now)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    def __str__(self) -> str:
        return self.signature
