from django.db import models


class LogLine(models.Model):
    """One line that a running attempt logged."""

    job = models.ForeignKey("jobs.Job", on_delete=models.CASCADE, related_name="log", db_index=False)
    attempt = models.PositiveIntegerField()
    #: Id of the event in the stream; with the job it makes writing again harmless.
    event = models.CharField(max_length=32)
    at = models.DateTimeField()
    text = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "event"], name="log_event_once")]
        ordering = ["pk"]

    def __str__(self) -> str:
        return self.text
