from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

OVERLAP_CHOICES = [
    ("allow", "start beside it"),
    ("skip", "leave the run out"),
    ("queue", "hold one run back until it has ended"),
]
MISFIRE_CHOICES = [
    ("once", "run once, late"),
    ("skip", "skip what was missed"),
    ("all", "make up for all, up to a limit"),
]


class Schedule(models.Model):
    """What Jobsite keeps beside a django-celery-beat PeriodicTask, which holds name, rule, task, params and on/off."""

    task = models.OneToOneField("django_celery_beat.PeriodicTask", on_delete=models.CASCADE, related_name="jobsite")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    #: Next run; None: never again, or switched off. The scheduler reads this index alone.
    next_run_at = models.DateTimeField(null=True, blank=True, db_index=True)
    #: The same by the rule alone, before jitter: the time that the run's job carries.
    slot = models.DateTimeField(null=True, blank=True)
    #: What happens to a run whose time comes while a job of this schedule is unfinished.
    overlap = models.CharField(max_length=5, choices=OVERLAP_CHOICES, default="allow")
    #: What happens to runs whose time passed while no scheduler ran, and of "all" at most how many.
    misfire = models.CharField(max_length=4, choices=MISFIRE_CHOICES, default="once")
    misfire_limit = models.PositiveSmallIntegerField(default=10)
    #: [s] by which runs start late at most, each by its own share.
    jitter = models.PositiveIntegerField(default=0)
    #: No run has its time before it.
    paused_until = models.DateTimeField(null=True, blank=True)
    #: The one run that somebody wants left out, by its slot.
    skipped = models.DateTimeField(null=True, blank=True)
    #: The run that waits for the former one to end, by its slot.
    held = models.DateTimeField(null=True, blank=True)
    #: Runs left out since the last start, because that one had not ended.
    left_out = models.PositiveIntegerField(default=0)
    #: Hash of all that `next_run_at` was computed from: a change is seen whoever made it.
    rule = models.CharField(max_length=64, blank=True)
    #: The same of all that its jobs are made of, which `trouble` was found with.
    call = models.CharField(max_length=64, blank=True, db_default="")
    #: Why it cannot start its runs; "" where it can, or is switched off.
    trouble = models.TextField(blank=True, db_default="")
    #: What the code that it comes from says (schedules/code.py); None: people made it.
    code = models.JSONField(null=True, blank=True)

    class Meta:
        indexes = [models.Index(fields=["held"], name="schedule_held", condition=Q(held__isnull=False))]

    def __str__(self) -> str:
        return self.task.name

    def get_absolute_url(self) -> str:
        from django.urls import reverse

        return reverse("schedule", args=[self.pk])

    @property
    def in_code(self) -> dict[str, Any]:
        """What the code says; {} of one that people made, or of which somebody wrote something else there."""
        return self.code if isinstance(self.code, dict) else {}
