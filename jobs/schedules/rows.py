"""Rows of django-celery-beat's tables: what is written of them, and those that many schedules share."""

from typing import Any

from django_celery_beat.models import PeriodicTask

#: All but what the scheduler counts meanwhile.
WRITTEN = [
    field.name
    for field in PeriodicTask._meta.concrete_fields
    if field.name not in ("id", "last_run_at", "total_run_count")
]


def shared(model: Any, **fields: Any) -> Any:
    """The row with these fields; there may be several that stock django-celery-beat made. Such rows never change."""
    return model.objects.filter(**fields).first() or model.objects.create(**fields)
