"""Deleting jobs and files: rows first, then the bytes that no row names any more."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q
from django_celery_results.models import TaskResult

from jobs.core.states import FINAL, UNFINISHED
from jobs.models.artifact import Artifact
from jobs.models.job import Job
from jobs.models.workflow import Workflow
from jobs.models.writing import write

log = logging.getLogger(__name__)


@dataclass
class Freed:
    """What is gone. bytes: of the files that nobody else names."""

    jobs: int = 0
    files: int = 0
    bytes: int = 0

    def __iadd__(self, other: "Freed") -> "Freed":
        self.jobs, self.files, self.bytes = self.jobs + other.jobs, self.files + other.files, self.bytes + other.bytes
        return self


def settled() -> Q:
    """Jobs that have ended, and of which no step of a workflow may still ask."""
    moving = Job.objects.filter(workflow=OuterRef("workflow"), state__in=UNFINISHED)
    return Q(Q(workflow=None) | ~Exists(moving), state__in=FINAL)


def forget_jobs(seqs: Iterable[int]) -> Freed:
    """Delete ended jobs with all that belongs to them, in one transaction: give few at a time (LINE 17).

    A job that was started again meanwhile stays.
    """
    with write():
        ended = Job.objects.select_for_update().filter(settled(), seq__in=list(seqs))
        ids = dict(ended.values_list("seq", "id"))
        workflows = set(ended.exclude(workflow=None).values_list("workflow", flat=True))
        sizes = dict(Artifact.objects.filter(job__in=ids).values_list("path", "size"))
        TaskResult.objects.filter(task_id__in=ids.values()).delete()
        Job.objects.filter(seq__in=ids).delete()
        Workflow.objects.filter(pk__in=workflows, jobs=None).delete()
    freed = delete_unnamed(sizes)
    freed.jobs = len(ids)
    return freed


def forget_files(seqs: Iterable[int]) -> Freed:
    """Delete the files of ended jobs, which stay themselves, in one transaction."""
    with write():
        ended = Job.objects.select_for_update().filter(settled(), seq__in=list(seqs))
        theirs = Artifact.objects.filter(job__in=list(ended.values_list("seq", flat=True)))
        sizes = dict(theirs.values_list("path", "size"))
        jobs = theirs.values("job").distinct().count()
        theirs.delete()
    freed = delete_unnamed(sizes)
    freed.jobs = jobs
    return freed


def delete_unnamed(sizes: dict[str, int]) -> Freed:
    """Delete the files, {path: bytes}, that no row names.

    After the rows: a crash between leaves a file too many, never a row without its file.
    """
    named = set(Artifact.objects.filter(path__in=sizes).values_list("path", flat=True))
    storage, freed = Artifact.storage(), Freed()
    for path in sizes.keys() - named:
        try:
            storage.delete(path)
        except OSError as error:
            log.warning("the file %s could not be deleted: %s", path, error)
            continue
        freed += Freed(files=1, bytes=sizes[path])
    return freed
