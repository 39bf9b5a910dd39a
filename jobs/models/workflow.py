from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from jobs.core.states import State
from jobs.models.job import Via, new_id


class OnFailure(models.TextChoices):
    END = "end", "end the whole workflow"
    SKIP = "skip", "skip what depends on it, and go on with the rest"


class Needs(models.TextChoices):
    ALL = "all", "all steps before it have succeeded"
    SOME = "some", "all steps before it have ended, and some have succeeded"


class Workflow(models.Model):
    """Jobs tied by chain, group or chord. Its state is that of its jobs: nothing is stored twice."""

    #: In order of time, as a job's.
    id = models.CharField(max_length=255, primary_key=True, default=new_id)
    title = models.CharField(max_length=200)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    via = models.CharField(max_length=8, choices=Via, default=Via.FORM)
    #: Tied by Celery itself, in somebody's code: recorded as it runs, not steered from here (LINE 10).
    is_canvas = models.BooleanField(default=False)
    on_failure = models.CharField(max_length=4, choices=OnFailure, default=OnFailure.END)
    created = models.DateTimeField(default=timezone.now)
    #: The client's Idempotency-Key, and a hash of the body that came with it.
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)
    idempotency_hash = models.CharField(max_length=64, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["-created"], name="workflow_newest"),
            models.Index(fields=["owner", "-created"], name="workflow_owner"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "idempotency_key"],
                name="workflow_one_per_key",
                condition=models.Q(idempotency_key__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.id})"

    def get_absolute_url(self) -> str:
        from django.urls import reverse

        return reverse("workflow", args=[self.id])


class Step(models.Model):
    """What a workflow's job is still to be made of, once those before it have ended."""

    job = models.OneToOneField("jobs.Job", on_delete=models.CASCADE, primary_key=True, related_name="step")
    #: Parameters as they were given, with ${…} for what comes from the steps before; secrets as ciphertext.
    #: Of a task that is no kind {"args", "kwargs"}.
    template = models.JSONField(default=dict)
    #: Whether a task that is no kind goes without the result before it as its first argument.
    immutable = models.BooleanField(default=False)
    #: ${…} of a list: the step becomes one job for each of its items. "": one job.
    each = models.CharField(max_length=200, blank=True)
    #: Items of that list that have become jobs.
    made = models.PositiveIntegerField(default=0)
    #: Whether ${result} is the list of all results before it: of a group, or of a step for each.
    gathers = models.BooleanField(default=False)
    needs = models.CharField(max_length=4, choices=Needs, default=Needs.ALL)
    #: Whether people named it, so that its parameters do not.
    is_named = models.BooleanField(default=False)

    def __str__(self) -> str:
        return f"step {self.job_id}"


class Edge(models.Model):
    """One job of a workflow waits for another."""

    before = models.ForeignKey("jobs.Job", on_delete=models.CASCADE, related_name="edges_after")
    after = models.ForeignKey("jobs.Job", on_delete=models.CASCADE, related_name="edges_before", db_index=False)
    #: Order of the results that `after` is given.
    position = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["after", "before"], name="edge_once")]

    def __str__(self) -> str:
        return f"{self.before_id} → {self.after_id}"


def workflow_counts(ids: list[str]) -> dict[str, dict[str, int]]:
    """{workflow: {state: number of its jobs}}, from one index; as PENDING also tasks that Celery has yet to start."""
    from jobs.models.canvas import awaited
    from jobs.models.job import Job

    found: dict[str, dict[str, int]] = {key: {} for key in ids}
    rows: Any = Job.objects.filter(workflow__in=ids).order_by().values_list("workflow_id", "state")
    for key, state, number in rows.annotate(number=models.Count("seq")):
        found[key][state] = number
    for key, number in awaited(ids).items():
        found[key][State.PENDING] = found[key].get(State.PENDING, 0) + number
    return found
