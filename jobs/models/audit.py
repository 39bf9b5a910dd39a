from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone


class AuditEntry(models.Model):
    """Who did what to what. That a job was submitted, the job itself says: it has no entry."""

    at = models.DateTimeField(default=timezone.now, db_index=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    #: A verb: cancel, retry, rerun, pause, run now …
    action = models.CharField(max_length=40)
    job = models.ForeignKey("jobs.Job", null=True, on_delete=models.CASCADE, related_name="audit")
    #: What it was done to, in words, where it is not a job.
    target = models.CharField(max_length=200, blank=True)
    via = models.CharField(max_length=8, blank=True)
    detail = models.JSONField(default=dict)

    class Meta:
        verbose_name_plural = "audit entries"

    def __str__(self) -> str:
        return f"{self.user} {self.action} {self.target or self.job_id}"

    @classmethod
    def record(cls, user: Any, action: str, *, job: Any = None, target: str = "", via: str = "", **detail: Any) -> None:
        """Add an entry; `user` None means Jobsite itself."""
        cls.unsaved(user, action, job=job, target=target, via=via, **detail).save(force_insert=True)

    @classmethod
    def unsaved(
        cls, user: Any, action: str, *, job: Any = None, target: str = "", via: str = "", **detail: Any
    ) -> "AuditEntry":
        who = user if user is not None and user.pk else None
        return cls(user=who, action=action, job=job, target=target, via=via, detail=detail)
