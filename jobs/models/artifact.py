import uuid

from django.conf import settings
from django.core.files.storage import Storage, storages
from django.db import models
from django.utils import timezone


def new_artifact_id() -> str:
    return uuid.uuid4().hex


class Artifact(models.Model):
    """A file that a job took in or made. The bytes lie in the storage "jobs" under `path`."""

    id = models.CharField(max_length=32, primary_key=True, default=new_artifact_id)
    #: None while a stored upload belongs to no job yet (a form that is being corrected, a schedule's input).
    job = models.ForeignKey("jobs.Job", null=True, on_delete=models.CASCADE, related_name="artifacts")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    #: Input of the job, or made by it.
    is_input = models.BooleanField(default=False)
    #: Attempt that made it.
    attempt = models.PositiveIntegerField(null=True)
    name = models.CharField(max_length=255)
    content_type = models.CharField(max_length=100, blank=True)
    #: [bytes]
    size = models.BigIntegerField()
    path = models.CharField(max_length=500)
    created = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = [
            models.Index(fields=["created"], name="artifact_created"),
            # Bytes are deleted once no row names them.
            models.Index(fields=["path"], name="artifact_path"),
        ]

    def __str__(self) -> str:
        return self.name

    @staticmethod
    def storage() -> Storage:
        return storages["jobs"]
