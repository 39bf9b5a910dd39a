"""Unblocking steps: when those before one have ended, it is given their results, or skipped (LINE 10).

Two moments. `ended`, in the transaction that records an end, marks whom it concerns as due; `release`, when dispatch
comes to one so marked, looks at all that it waits for. What a lost mark would cost is thus one transaction's: none.
"""

import json
import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, InterfaceError, OperationalError
from django.db.models import F, Q, QuerySet
from django_celery_results.models import TaskResult

from jobs.core.errors import Refused
from jobs.core.redaction import StoredSecret
from jobs.core.states import UNFINISHED, State
from jobs.models import Artifact, Edge, Job, Step, Workflow
from jobs.models.workflow import Needs, OnFailure
from jobs.models.writing import write
from jobs.submit.foreign import checked_call
from jobs.submit.submission import Draft, Submission, first_check, insert_drafts, keep_files
from jobs.submit.terms import Terms
from jobs.submit.validate import bind, out_of_a_row
from jobs.workflows import values
from jobs.workflows.spec import MAX_STEPS, MAX_TIES, TOO_MANY_TIES
from jobs.workflows.values import NO_ITEM, Given

log = logging.getLogger(__name__)

_CHUNK = 400
#: Items of a list that become jobs at one turn of dispatch: each costs some milliseconds.
AT_A_TURN = 200


class NeverStarts(Exception):
    """A step cannot start any more. state: how it ends; error_type and text: why."""

    def __init__(self, state: State, error_type: str, text: str):
        super().__init__(text)
        self.state, self.error_type, self.text = state, error_type, text


def ended(jobs: Iterable[tuple[int, str, str]], now: datetime) -> None:
    """Within the transaction that records the end of workflows' jobs: (seq, state, workflow) of each."""
    told = list(jobs)
    for start in range(0, len(told), _CHUNK):
        after = Edge.objects.filter(before__in=[seq for seq, *_ in told[start : start + _CHUNK]]).values("after")
        Job.objects.filter(seq__in=after, blocked=True, state=State.PENDING).update(next_check_at=now)
    failed = {workflow: seq for seq, state, workflow in told if state != State.SUCCESS}
    for workflow, seq in failed.items():
        if Workflow.objects.filter(pk=workflow, on_failure=OnFailure.END, is_canvas=False).exists():
            _end(workflow, seq, now)


def _end(workflow: str, failed: int, now: datetime) -> None:
    """A wish like a person's, for every job that has not ended: what runs ends when its worker confirms."""
    rest = Job.objects.filter(workflow=workflow, state__in=UNFINISHED, cancel_requested_at=None)
    title = Job.objects.values_list("title", flat=True).get(seq=failed)
    rest.filter(blocked=True).update(error_type="Skipped", error=_because(title)[:300])
    rest.update(cancel_requested_at=now, next_check_at=now, changed=now)


def _because(title: str) -> str:
    return f"Skipped: “{title}” did not succeed."


def release(job: Job, now: datetime) -> list[Job]:
    """What a blocked job that is due becomes: jobs to publish, none while it is to wait. Raises NeverStarts."""
    edges = Edge.objects.filter(after=job.pk)
    # Asked first, and cheaply: one of ten thousand before it may have ended.
    if edges.filter(before__state__in=UNFINISHED).exists():
        return []
    step = Step.objects.select_related("job__workflow", "job__owner").get(job=job.pk)
    before = [edge.before for edge in edges.order_by("position").select_related("before")]
    succeeded = [each for each in before if each.state == State.SUCCESS]
    failed = next((each for each in before if each.state != State.SUCCESS), None)
    if failed and (step.needs == Needs.ALL or not succeeded):
        raise NeverStarts(State.REVOKED, "Skipped", _because(failed.title))
    try:
        return _start(step, _given(step, succeeded), now)
    except Refused as refused:
        texts = [
            text if name == "__all__" else f"{name}: {text}" for name, told in refused.errors.items() for text in told
        ]
        raise NeverStarts(State.FAILURE, "Refused", " ".join(texts)) from refused
    except IntegrityError as error:
        raise NeverStarts(State.FAILURE, "Conflict", "A job that does the same waits or runs already.") from error
    except (OperationalError, InterfaceError):
        raise  # SQL is away or busy: at the next turn
    except Exception as error:
        # Of the kind's own code, or of values that SQL does not take: dispatch has all others to serve.
        log.exception("the step %s cannot be made", job.id)
        raise NeverStarts(State.FAILURE, type(error).__name__, str(error)) from error


def _given(step: Step, before: list[Job]) -> Given:
    texts: dict[str, str] = {}
    for start in range(0, len(before), _CHUNK):
        rows = TaskResult.objects.filter(task_id__in=[job.id for job in before[start : start + _CHUNK]])
        texts.update(rows.values_list("task_id", "result"))
    files: dict[int, list[dict[str, Any]]] = {}
    # Of the attempt that succeeded: an earlier one may have left some.
    made = Artifact.objects.filter(job__edges_after__after=step.job_id, is_input=False, attempt=F("job__attempt"))
    for artifact in made.order_by("created", "id"):
        files.setdefault(artifact.job_id or 0, []).append(
            {"artifact": artifact.id, "name": artifact.name, "size": artifact.size, "path": artifact.path}
        )
    told: Any = before[0] if len(before) == 1 else step.job.workflow
    return Given(
        results=[_json(texts.get(job.id)) for job in before], gathers=step.gathers,
        files=[file for job in before for file in files.get(job.pk, [])],
        link=settings.BASE_URL + told.get_absolute_url(),
    )  # fmt: skip


def _json(text: str | None) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text  # a foreign task with a serializer of its own


def _start(step: Step, given: Given, now: datetime) -> list[Job]:
    """Give the step its parameters. One for each item of a list becomes as many jobs, some at a turn of dispatch, which
    has others to serve; the step itself is the last of them, so that what waits for it waits for all."""
    items = _items(step, given)
    here = items[step.made : step.made + AT_A_TURN]
    is_last = step.made + len(here) == len(items)
    drafts = [_drafted(step, values.fill(step.template, _with(given, item)), given) for item in here]
    with write():
        # Conditional: a cancel in between wins, and a keeper before this one.
        waiting = Job.objects.filter(pk=step.job_id, blocked=True, state=State.PENDING, cancel_requested_at=None)
        if not is_last:
            # Soon, and later than `now`, up to which dispatch takes this turn's looks back.
            again = waiting.update(next_check_at=now + timedelta(milliseconds=1))
            return _clone(step, drafts, len(items)) if again else []
        *others, last = drafts
        return [*_clone(step, others, len(items)), step.job] if _unblock(step.job, waiting, last, now) else []


def _items(step: Step, given: Given) -> list[Any]:
    if not step.each:
        return [NO_ITEM]
    items = values.fill(step.each, given)
    if not isinstance(items, list) or not items:
        raise Refused({"each": [f"{step.each} is no list with something in it."]})
    if len(items) > MAX_STEPS:
        raise Refused({"each": [f"{step.each} has {len(items):,} items: at most {MAX_STEPS:,} are taken."]})
    # What its jobs, made at earlier turns, are tied to is none of the step's own: the number stays the same.
    tied_to = Edge.objects.filter(Q(before=step.job_id) | Q(after=step.job_id)).count()
    if len(items) * tied_to > MAX_TIES:
        raise Refused({"each": [f"{step.each} has {len(items):,} items, tied to {tied_to:,} steps. {TOO_MANY_TIES}"]})
    return items


def _with(given: Given, item: Any) -> Given:
    return given if item is NO_ITEM else Given(given.results, given.gathers, given.files, given.link, item)


def _drafted(step: Step, params: dict[str, Any], given: Given) -> Draft:
    job = step.job
    terms = Terms.again(job, title=job.title if step.is_named else "", workflow=job.workflow)
    if (kind := terms.kind) is not None:
        stored = out_of_a_row(kind, step.template)  # not what a step before has given, whatever it looks like
        secrets = {name: value for name, value in stored.items() if isinstance(value, StoredSecret)}
        return Submission.of(terms, bind(kind, {**params, **secrets}, None, terms.user)).draft()
    before = [] if step.immutable or step.each else [given.result]
    return checked_call(terms, [*before, *params["args"]], params["kwargs"]).draft()


def _unblock(job: Job, waiting: QuerySet[Job], draft: Draft, now: datetime) -> bool:
    made = draft.job
    changed: dict[str, Any] = {
        "params": made.params, "title": made.title, "search": made.search, "unique_key": made.unique_key,
        "blocked": False, "changed": now, "next_check_at": first_check(job.kind_class, now),
    }  # fmt: skip
    if not waiting.update(**changed):
        return False
    for name, value in changed.items():
        setattr(job, name, value)
    keep_files(job, draft.kept)
    return True


def _clone(step: Step, drafts: list[Draft], total: int) -> list[Job]:
    """Jobs of the next items, between the same steps as the step itself. total: of all items."""
    if step.made == 0 and total > 1:
        # Their results come one after the other, in the place of the step that they are made from.
        for edge in Edge.objects.filter(before=step.job_id):
            Edge.objects.filter(after=edge.after_id, position__gte=edge.position).update(
                position=F("position") + total - 1
            )
    if not drafts:
        return []
    insert_drafts(drafts)
    jobs = [draft.job for draft in drafts]
    seqs = dict(Job.objects.filter(id__in=[job.id for job in jobs]).values_list("id", "seq"))
    for job in jobs:
        job.seq = seqs[job.id]
    Step.objects.bulk_create(
        Step(job_id=job.pk, template=job.params, gathers=step.gathers, needs=step.needs, is_named=True) for job in jobs
    )
    edges = []
    for edge in Edge.objects.filter(after=step.job_id):
        edges += [Edge(before_id=edge.before_id, after_id=job.pk, position=edge.position) for job in jobs]
    for edge in Edge.objects.filter(before=step.job_id):
        first = edge.position - (total - 1) + step.made
        edges += [Edge(before_id=job.pk, after_id=edge.after_id, position=first + n) for n, job in enumerate(jobs)]
    Edge.objects.bulk_create(edges)
    Step.objects.filter(pk=step.pk).update(made=F("made") + len(jobs))
    return jobs
