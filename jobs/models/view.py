from typing import Any

from django.conf import settings
from django.db import models


class SavedView(models.Model):
    """A filter of the page Jobs that a user has given a name."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=60)
    #: Parameters of JobFilter (browse/filters.py) as an address has them: q=error%3ATimeout&state=failed
    query = models.CharField(max_length=4_000)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "name"], name="view_name")]

    def __str__(self) -> str:
        return self.name


class ChosenColumns(models.Model):
    """The columns of the page Jobs that a user has chosen, by key; without a row those that everybody begins with."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    columns: Any = models.JSONField(default=list)

    def __str__(self) -> str:
        return ", ".join(self.columns)
