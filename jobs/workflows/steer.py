"""Cancelling a workflow, and trying it again from where it failed."""

from typing import Any

from django.db import IntegrityError
from django.utils import timezone

from jobs.core.errors import Conflict
from jobs.core.registry import all_kinds
from jobs.core.states import FINAL, UNFINISHED, State
from jobs.models import AuditEntry, Job, Workflow
from jobs.models.workflow import OnFailure
from jobs.models.writing import write
from jobs.submit.retry import start_again
from jobs.workflows.outlook import state_of


def cancel(workflow: Workflow, user: Any = None, via: str = "form") -> None:
    """Ask that all its jobs end; dispatch carries the wishes out. Raises Conflict where all have ended."""
    now = timezone.now()
    with write():
        wished = Job.objects.filter(workflow=workflow, state__in=UNFINISHED).update(
            cancel_requested_at=now, changed=now, next_check_at=now
        )
        if not wished:
            raise Conflict("All of its jobs have ended already.", state_of(workflow))
        AuditEntry.record(user, "cancel workflow", target=workflow.title, via=via, workflow=workflow.id)


def retry(workflow: Workflow, user: Any = None, via: str = "form") -> int:
    """Run the steps that failed or were cancelled again, and after them those that were skipped; answers how many.

    What has succeeded stays. Raises Conflict where nothing has failed, or the failure has not ended the rest yet.
    """
    if workflow.is_canvas:
        raise Conflict("Celery code tied these tasks: only that code can start them again.", state_of(workflow))
    now = timezone.now()
    try:
        with write():
            jobs = Job.objects.select_for_update().filter(workflow=workflow)
            moving = jobs.filter(state__in=UNFINISHED)
            if workflow.on_failure == OnFailure.SKIP:
                moving = moving.exclude(cancel_requested_at=None)
            failed = jobs.filter(state__in=FINAL).exclude(state=State.SUCCESS)
            if moving.exists() or not failed.exists():
                raise Conflict("Only a workflow of which steps have failed, and that has come to rest, can be retried.",
                               state_of(workflow))  # fmt: skip
            limited = [slug for slug, kind in all_kinds().items() if kind.is_limited()]
            held = failed.filter(blocked=False, is_kind=True, kind__in=limited)
            # Those of limited kinds wait for their place; all others, blocked or not, are dispatch's at once.
            count = start_again(held, now, next_check_at=None) + start_again(failed, now, next_check_at=now)
            AuditEntry.record(user, "retry workflow", target=workflow.title, via=via, workflow=workflow.id)
    except IntegrityError as error:
        raise Conflict("A job that does the same waits or runs already.", state_of(workflow)) from error
    return count
