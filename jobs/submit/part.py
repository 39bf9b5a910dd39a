"""A rerun of a part: what of an ended job its ledger does not show as done (LINE 14)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Count
from django.utils.datastructures import MultiValueDict

from jobs.core.access import may_see
from jobs.core.errors import Conflict, Refused
from jobs.core.fields import UploadField
from jobs.core.kind import Offer
from jobs.models import Job, LedgerEntry
from jobs.submit.live import wait_for_record
from jobs.submit.retry import part_key, rerun


def parts_of(job: Job) -> Sequence[Offer]:
    """What of an ended job may be run again by itself."""
    kind = job.kind_class
    if kind is None or not kind.parts or not job.is_final:
        return ()
    states = LedgerEntry.objects.filter(job=job).order_by().values_list("state").annotate(Count("pk"))
    return kind.parts_left(job.state, Counter(dict(states)))


def rerun_part(
    job: Job, part: str, user: Any = None, params: Mapping[str, Any] | None = None, via: str = "form", **options: Any
) -> Job:
    """A new job that does one of its kind's `parts` of an ended one, with `params` laid over its own; linked to it.

    Each part once for each attempt of the job: who asks again is answered the job that was made first.
    options: those of `submit`, without an idempotency key.
    Raises Refused, and Conflict where the job has not ended, nothing is left, or somebody else's job does it.
    """
    kind = job.kind_class
    if kind is None:
        raise Refused({"kind": [f"{job.kind} is not a kind of job that can be submitted here."]})
    wait_for_record(job)
    if not job.is_final:
        raise Conflict(f"Only an ended job has parts that are left; this one is {job.shown_word.lower()}.", job.state)
    key = part_key(job, part)
    if first := Job.objects.filter(rerun_of=job, idempotency_key=key).select_related("owner").first():
        if user is not None and not may_see(user, first.owner_id):
            raise Conflict("Somebody else's job does this already.", job.state)
        return first
    left = kind.only(part, job.params, dict(LedgerEntry.objects.filter(job=job).values_list("key", "state")))
    if not left:
        raise Conflict("Nothing is left of it.", job.state)
    fields = kind.Form().fields
    uploads = {name: value for name, value in left.items() if isinstance(fields[name], UploadField)}
    plain = {name: value for name, value in left.items() if name not in uploads}
    options.setdefault("title", job.title)
    return rerun(
        job, user, {**(params or {}), **plain}, MultiValueDict(uploads), via=via, idempotency_key=key, **options
    )
