"""Finding the job that an address names, for a caller who may see it."""

from django.conf import settings
from django.http import HttpRequest

from jobs.browse import detail
from jobs.models import Job
from jobs.web.api.problem import Problem


def find_job(request: HttpRequest, job_id: str) -> Job:
    """The job. Raises Problem 404 where there is none, and just so where it is somebody else's."""
    job = detail.find(job_id, request.user) if "\0" not in job_id else None
    if job is None:
        raise Problem(404, f"No job {job_id[:80]!r}. Jobs are kept {settings.RETENTION_DAYS} days.")
    return job
