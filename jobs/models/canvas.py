from django.db import models


class CanvasLink(models.Model):
    """A task that Celery starts once a job has succeeded, by its id: until it runs there is no job of it, so no Edge.

    One that never starts stays so, as long as the job before it is kept.
    """

    before = models.ForeignKey("jobs.Job", on_delete=models.CASCADE, related_name="+")
    after = models.CharField(max_length=255)
    #: The Edge's position.
    position = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["after", "before"], name="canvas_link_once")]

    def __str__(self) -> str:
        return f"{self.before_id} → {self.after}"
