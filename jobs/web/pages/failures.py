"""The page Failures: what fails, grouped by cause; a group is started again or ignored until it recurs."""

from collections import Counter
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from jobs import submit
from jobs.browse import failures
from jobs.browse.failures import Group
from jobs.core.errors import Conflict
from jobs.core.registry import get_kind
from jobs.models import AuditEntry, IgnoredFailure
from jobs.web.pages.operators import operators_only

#: Jobs that one press starts again: the page must answer in time.
MOST_RETRIED = 200


@operators_only
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    found = failures.groups()
    context = {
        "spans": list(failures.SPANS),
        "rows": [_row(group) for group in found.groups],
        "ignored": [_row(group) for group in found.ignored],
        "looked_back_to": found.looked_back_to,
        "is_cut": len(found.groups) == failures.MOST_GROUPS,
        "days": failures.LOOKBACK.days,
        "most": MOST_RETRIED,
    }
    template = "jobs/parts/failures.html" if request.headers.get("HX-Request") else "jobs/failures.html"
    return render(request, template, context)


def _row(group: Group) -> dict[str, Any]:
    return {
        "group": group,
        "kinds": ", ".join(kind.label if (kind := get_kind(name)) else name for name in sorted(group.kinds)),
        "url": f"{reverse('jobs')}?{urlencode({'q': group.search})}",
        "at_once": min(group.alone, MOST_RETRIED),
        "workflow_url": _workflow_url(*group.workflows),
    }


def _workflow_url(*found: str) -> str:
    """The page of one workflow; of several the page that lists them."""
    return reverse("workflow", args=found) if len(found) == 1 else reverse("workflows")


@operators_only
@require_POST
def act(request: HttpRequest) -> HttpResponse:
    """Retry a group, ignore it, or show an ignored one again."""
    signature = request.POST.get("signature", "")
    match request.POST.get("action"):
        case "retry":
            _retry(request, signature)
        case "ignore" if failures.of_signature(signature).exists():
            _ignore(signature, request.user)
            messages.success(request, f"{signature} is ignored until it recurs.")
        case "heed" if _heed(signature, request.user):
            messages.success(request, f"{signature} is shown again.")
        case _:
            messages.warning(request, "There is no such failure any more.")
    return HttpResponseRedirect(reverse("failures"))


def _retry(request: HttpRequest, signature: str) -> None:
    """Start a group's jobs again, the newest first, each through the door that every retry takes."""
    failed = failures.of_signature(signature)
    chosen = list(failed.exclude(failures.STEP).select_related("owner", "workflow")[: MOST_RETRIED + 1])
    started = 0
    left: Counter[str] = Counter()
    for job in chosen[:MOST_RETRIED]:
        try:
            submit.retry(job, request.user, via="form")
            started += 1
        except Conflict as conflict:
            left[str(conflict)] += 1
    if started:
        AuditEntry.record(request.user, "retry group", target=signature, via="form", started=started)
        more = " There are more: press again for the next ones." if len(chosen) > MOST_RETRIED else ""
        messages.success(request, f"{_jobs(started)} started again.{more}")
    for reason, number in left.most_common():
        messages.warning(request, f"{number:,} left alone: {reason}")
    if not chosen:
        all_are_steps = "Steps of a workflow are retried with it, from its failed step."
        messages.warning(request, all_are_steps if failed.exists() else "None of them is failed any more.")


def _ignore(signature: str, user: Any) -> None:
    IgnoredFailure.objects.update_or_create(signature=signature, defaults={"at": timezone.now(), "user": user})
    AuditEntry.record(user, "ignore group", target=signature, via="form")


def _heed(signature: str, user: Any) -> bool:
    """Show an ignored group again; whether it was ignored."""
    deleted, _ = IgnoredFailure.objects.filter(signature=signature).delete()
    if deleted:
        AuditEntry.record(user, "show group again", target=signature, via="form")
    return bool(deleted)


def _jobs(number: int) -> str:
    return "1 job" if number == 1 else f"{number:,} jobs"


urlpatterns = [
    path("failures", page, name="failures"),
    path("failures/act", act, name="failures-act"),
]
