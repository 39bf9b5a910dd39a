from django.conf import settings
from django.db import models

MISFIRE_CHOICES = [("once", "run once, late"), ("skip", "skip what was missed")]


class Schedule(models.Model):
    """What Jobsite keeps beside a django-celery-beat PeriodicTask, which holds name, rule, task, params and on/off."""

    task = models.OneToOneField("django_celery_beat.PeriodicTask", on_delete=models.CASCADE, related_name="jobsite")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    #: Next run; None: never again, or switched off. The scheduler reads this index alone.
    next_run_at = models.DateTimeField(null=True, blank=True, db_index=True)
    #: What happens to runs whose time passed while no scheduler ran.
    misfire = models.CharField(max_length=4, choices=MISFIRE_CHOICES, default="once")
    #: Hash of the rule that `next_run_at` was computed from: a change is seen whoever made it.
    rule = models.CharField(max_length=64, blank=True)

    def __str__(self) -> str:
        return self.task.name

    def get_absolute_url(self) -> str:
        from django.urls import reverse

        return reverse("schedule", args=[self.pk])
