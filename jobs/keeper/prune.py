"""Forgetting what is older than RETENTION_DAYS: rows, and files that no row names any more."""

from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from jobs.models import Artifact, AuditEntry, IgnoredFailure, Job, Throughput, Timing
from jobs.models.forget import delete_unnamed, forget_jobs, settled

#: Jobs of one transaction: other writers of SQLite wait for it (LINE 17).
CHUNK = 50
#: Chunks of one step.
MOST_CHUNKS = 40
#: Charts go back an hour; nothing reads further.
TIMINGS_KEPT = timedelta(days=1)


def step() -> int:
    """Delete up to CHUNK * MOST_CHUNKS jobs; answers how many."""
    before = timezone.now() - timedelta(days=settings.RETENTION_DAYS)
    deleted = 0
    for _ in range(MOST_CHUNKS):
        old = list(
            Job.objects.filter(settled(), created__lt=before, finished_at__lt=before)
            .order_by("created")
            .values_list("seq", flat=True)[:CHUNK]
        )
        if not old:
            break
        deleted += forget_jobs(old).jobs
    AuditEntry.objects.filter(at__lt=before, job=None).delete()
    Throughput.objects.filter(minute__lt=before).delete()
    Timing.objects.filter(minute__lt=timezone.now() - TIMINGS_KEPT).delete()
    IgnoredFailure.objects.filter(at__lt=before).delete()
    _drop_unused_uploads()
    return deleted


def _drop_unused_uploads() -> None:
    """Uploads of forms that were never sent, a day old, unless a schedule starts with them."""
    day_old = timezone.now() - timedelta(days=1)
    for artifact in Artifact.objects.filter(job=None, created__lt=day_old)[:500]:
        if not PeriodicTask.objects.filter(kwargs__contains=artifact.id).exists():
            artifact.delete()
            delete_unnamed({artifact.path: artifact.size})
