from django.db import models

from jobs.core.states import State


class Attempt(models.Model):
    """One execution of a job. Written by the keeper, never overwritten by a later attempt."""

    job = models.ForeignKey("jobs.Job", on_delete=models.CASCADE, related_name="attempts", db_index=False)
    #: From 1.
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=8, choices=[(state.value, state.value) for state in State])
    #: Node name of the worker, e.g. io@web-1.
    worker = models.CharField(max_length=255, blank=True)
    #: Process that ran it.
    pid = models.PositiveIntegerField(null=True)
    queued_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    #: For RETRY: when the next attempt starts.
    next_retry_at = models.DateTimeField(null=True)
    error_type = models.CharField(max_length=200, blank=True)
    error = models.TextField(blank=True)
    traceback = models.TextField(blank=True)
    #: Peak memory of the process [bytes] and CPU time of the attempt [s]; None where the pool cannot tell.
    memory = models.BigIntegerField(null=True)
    cpu_seconds = models.FloatField(null=True)
    #: Of what Celery code sent, the tag of its message: an id that is sent again comes in another. "" of ours.
    message = models.CharField(max_length=64, blank=True, default="", db_default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "number"], name="attempt_number")]
        ordering = ["number"]

    def __str__(self) -> str:
        return f"attempt {self.number} of {self.job_id}"
