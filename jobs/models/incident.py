from django.db import models


class Incident(models.Model):
    """One time that a task held the event loop of an io worker, and all its other jobs waited."""

    id = models.CharField(max_length=32, primary_key=True)
    #: None where no task was to blame.
    job = models.ForeignKey("jobs.Job", null=True, on_delete=models.CASCADE, related_name="incidents")
    attempt = models.PositiveIntegerField(default=0)
    #: The Celery task's name.
    task = models.CharField(max_length=255, blank=True)
    worker = models.CharField(max_length=255)
    #: When it was last told of.
    at = models.DateTimeField()
    #: [s]
    seconds = models.FloatField()
    #: File and line that was at work, e.g. kinds/report.py:41.
    where = models.CharField(max_length=300)

    class Meta:
        indexes = [models.Index(fields=["task", "at"], name="incident_task")]

    def __str__(self) -> str:
        return f"{self.where} held the event loop of {self.worker} for {self.seconds:.1f} s"
