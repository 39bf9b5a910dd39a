from typing import Any

from django.db import models
from django.db.models import Count, Exists, OuterRef

from jobs.core.states import State


class CanvasLink(models.Model):
    """A task that Celery starts once a job has succeeded, by its id: until it runs there is no job of it, so no Edge.

    One that never starts stays so, as long as the job before it is kept.
    """

    before = models.ForeignKey("jobs.Job", on_delete=models.CASCADE, related_name="+")
    after = models.CharField(max_length=255)
    #: Name of the task; "" where a worker of a former version told.
    task = models.CharField(max_length=255, blank=True, default="", db_default="")
    #: The Edge's position.
    position = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["after", "before"], name="canvas_link_once")]

    def __str__(self) -> str:
        return f"{self.before_id} → {self.after}"


def awaited(workflows: list[str]) -> dict[str, int]:
    """{workflow: number of tasks that are known to follow and may still start}: those with no failure before them."""
    from jobs.models.workflow import Workflow

    canvas = list(Workflow.objects.filter(pk__in=workflows, is_canvas=True).values_list("pk", flat=True))
    if not canvas:
        return {}
    stopped = CanvasLink.objects.filter(after=OuterRef("after"), before__state__in=[State.FAILURE, State.REVOKED])
    links: Any = CanvasLink.objects.filter(~Exists(stopped), before__workflow__in=canvas).order_by()
    return dict(links.values_list("before__workflow").annotate(number=Count("after", distinct=True)))
