"""What a finished job's page offers to do next, as its kind says (core/kind.py, Offer)."""

import logging
from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from jobs.browse import detail
from jobs.core.access import may_submit
from jobs.core.errors import Conflict, OverQuota, Refused
from jobs.core.kind import Offer
from jobs.core.states import State
from jobs.models import Job
from jobs.submit import parts_of, rerun, rerun_part

log = logging.getLogger(__name__)


def offers_of(job: Job, user: Any) -> Sequence[Offer]:
    kind = job.kind_class
    if kind is None or not may_submit(user, kind):
        return ()
    try:
        whole = kind.offers(job.params, detail.result_of(job)) if job.state == State.SUCCESS else ()
        return [*whole, *parts_of(job)]
    except Exception:
        # A kind's offers may not stand between people and their job.
        log.exception("the offers of %s failed", kind.label)
        return ()


@login_required
@require_POST
def take(request: HttpRequest, job_id: str) -> HttpResponse:
    """Run the job again as offered. A second press leads to the job that the first one made."""
    found = detail.find(job_id, request.user)
    if found is None:
        raise Http404(f"No job {job_id}")
    offer = next((one for one in offers_of(found, request.user) if one.name == request.POST.get("offer")), None)
    if offer is None:
        messages.warning(request, "This is not offered any more.")
        return redirect(found)
    try:
        if found.kind_class and offer.name in found.kind_class.parts:
            job = rerun_part(found, offer.name, request.user, via="form")
        else:
            job = rerun(found, request.user, offer.params, via="form", idempotency_key=f"{found.id} {offer.name}")
    except (Refused, Conflict, OverQuota) as refusal:
        messages.warning(request, str(refusal))
        return redirect(found)
    messages.success(request, "Submitted.")
    return redirect(job)
