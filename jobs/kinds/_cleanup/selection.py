"""Which ended jobs a clean-up takes: by age, by the size of what is kept, by kind and state; never what is in use."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from jobs.core.fields import MB
from jobs.core.states import FINAL, State
from jobs.models import Artifact, Job

STATES = {"succeeded": State.SUCCESS, "failed": State.FAILURE, "cancelled": State.REVOKED}
_ARTIFACT = re.compile(r"\b[0-9a-f]{32}\b")


def matching(params: Mapping[str, Any]) -> "QuerySet[Job]":
    """Ended jobs of the kinds and states that were asked for, whatever their age."""
    jobs = Job.objects.filter(state__in=[STATES[name] for name in params["states"]] or list(FINAL))
    if params["kinds"]:
        jobs = jobs.filter(kind__in=params["kinds"])
    if params["what"] == "files":
        jobs = jobs.filter(Exists(Artifact.objects.filter(job=OuterRef("pk"))))
    return jobs


def in_use() -> set[int]:
    """`seq` of the jobs whose files a schedule starts with."""
    from django_celery_beat.models import PeriodicTask

    named: set[str] = set()
    for kwargs in PeriodicTask.objects.values_list("kwargs", flat=True).iterator():
        named.update(_ARTIFACT.findall(kwargs or ""))
    return set(Artifact.objects.filter(id__in=named, job__isnull=False).values_list("job", flat=True))


def selected(params: Mapping[str, Any], used: set[int]) -> "QuerySet[Job]":
    """The jobs to take: too old, or beyond the size that is kept."""
    jobs = matching(params).exclude(seq__in=used)
    chosen = Q(pk__in=[])
    if params["older_than"] is not None:
        before = timezone.now() - timedelta(days=params["older_than"])
        chosen |= Q(created__lt=before, finished_at__lt=before)
    if params["keep_size"] is not None and (newest := _beyond_size(jobs, params["keep_size"] * MB)):
        created, seq = newest
        chosen |= Q(created__lte=created) & (Q(created__lt=created) | Q(seq__lte=seq))
    return jobs.filter(chosen)


def _beyond_size(jobs: "QuerySet[Job]", most: int) -> tuple[Any, int] | None:
    """(created, seq) of the newest job whose files no longer fit into `most` bytes, counted from the newest job on."""
    total, seen = 0, set()
    rows = Artifact.objects.filter(job__in=jobs).order_by("-job__created", "-job__seq")
    for created, seq, path, size in rows.values_list("job__created", "job__seq", "path", "size").iterator():
        if path in seen:
            continue
        seen.add(path)
        total += size
        if total > most:
            return created, seq
    return None


def chunks(jobs: "QuerySet[Job]", size: int) -> Iterator[list[tuple[int, str]]]:
    """(seq, kind) of the jobs, oldest first; what is deleted meanwhile does not matter."""
    rows = jobs.order_by("created", "seq").values_list("seq", "kind", "created")
    found = list(rows[:size])
    while found:
        yield [(seq, kind) for seq, kind, _ in found]
        seq, _, created = found[-1]
        found = list(rows.filter(Q(created__gte=created) & (Q(created__gt=created) | Q(seq__gt=seq)))[:size])
