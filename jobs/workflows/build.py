"""Accepting a workflow: every step checked, all rows in SQL at once, and only then the first steps published."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from jobs.core.errors import Conflict, Refused, RefusedTerms
from jobs.core.moment import moment
from jobs.models import AuditEntry, Edge, Job, Step, Workflow
from jobs.models.job import Via
from jobs.models.workflow import Needs, OnFailure
from jobs.models.writing import write
from jobs.submit import quota
from jobs.submit.foreign import blocked_task, checked_call
from jobs.submit.submission import Draft, Submission, digest, insert_drafts, publish_now
from jobs.submit.template import drafted_template
from jobs.submit.terms import Terms
from jobs.submit.validate import bind
from jobs.workflows import values
from jobs.workflows.spec import Planned, read
from jobs.workflows.uploads import with_stored

_TOP = ("title", "on_failure", "due_at")


@dataclass
class _Built:
    draft: Draft
    step: Step


def submit_workflow(
    spec: Mapping[str, Any], *, files: Any = None, user: Any = None, via: str = Via.API,
    idempotency_key: str | None = None,
) -> Workflow:  # fmt: skip
    """Accept a workflow (spec.py says what it may hold); on return all its jobs are in SQL.

    files: a MultiValueDict of uploads, which the steps name as upload:NAME (uploads.py).
    The same idempotency key of the same user answers the workflow that it made. Raises Refused with every bad field,
    named chain[1].params.width; OverQuota; and Conflict where the key came with another workflow.
    """
    fingerprint = _fingerprint(spec, files or {}) if idempotency_key else ""
    if idempotency_key and (earlier := _earlier(user, idempotency_key, fingerprint)):
        return earlier
    planned = read(_tied(spec))
    if files:
        spec = with_stored(spec, files, user)
        planned = read(_tied(spec))
    top = {name: spec[name] for name in _TOP if name in spec}
    on_failure, due_at = _on_failure(top.get("on_failure")), _due(top.get("due_at"))
    quota.check(user, len(planned))
    built = _built(planned, user, via, due_at)
    owner = user if user is not None and user.pk else None
    workflow = Workflow(
        title=str(top.get("title") or "").strip()[:200] or _title(built), owner=owner, via=via, on_failure=on_failure,
        idempotency_key=idempotency_key, idempotency_hash=fingerprint,
    )  # fmt: skip
    try:
        with write():
            workflow.save(force_insert=True)
            _insert(workflow, planned, built)
            AuditEntry.record(user, "submit workflow", target=workflow.title, via=via, workflow=workflow.id)
    except IntegrityError as error:
        if idempotency_key and (earlier := _earlier(user, idempotency_key, fingerprint)):
            return earlier
        raise Conflict("One of these jobs waits or runs already, and is to be there only once.") from error
    first = [one.draft.job for one in built if not one.draft.job.blocked]
    transaction.on_commit(lambda: publish_now(first))
    return workflow


def _tied(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in spec.items() if name not in _TOP}


def _built(planned: list[Planned], user: Any, via: str, due_at: datetime | None) -> list[_Built]:
    built: list[_Built] = []
    errors: dict[str, list[str]] = {}
    for step in planned:
        try:
            wrong = values.check([step.spec.get(name) for name in ("params", "args", "kwargs", "each")])
            if wrong:
                raise Refused({"": wrong})
            built.append(_first(step, user, via, due_at) if not step.before else _blocked(step, user, via))
        except Refused as refused:
            errors.update({f"{step.path}.{name}".rstrip("."): texts for name, texts in refused.errors.items()})
    if errors:
        raise Refused(dict(list(errors.items())[:200]))
    return built


def _said(step: Planned) -> dict[str, Any]:
    return {name: step.spec.get(name) for name in ("priority", "queue")} | {"title": str(step.spec.get("title") or "")}


def _first(step: Planned, user: Any, via: str, due_at: datetime | None) -> _Built:
    said = {**_said(step), "via": via, "due_at": due_at}
    if step.is_kind:
        terms = Terms.of(step.spec["kind"], user, **said)
        assert terms.kind is not None
        with _named("params"):
            draft = Submission.of(terms, bind(terms.kind, _params(step), None, user)).draft()
    else:
        draft = checked_call(Terms.of_task(step.spec["task"], user, **said), *_call(step)).draft()
    return _Built(draft, _step(step, draft.job.params))


def _blocked(step: Planned, user: Any, via: str) -> _Built:
    """A job that waits for others: as much of it is checked as is known."""
    said = {**_said(step), "via": via}
    if step.is_kind:
        with _named("params"):
            draft = drafted_template(step.spec["kind"], _params(step), _is_open, user=user, **said)
    else:
        args, kwargs = _call(step)
        before = 0 if step.spec.get("immutable") or step.each else 1
        draft = blocked_task(step.spec["task"], args, kwargs, _is_open, before=before, user=user, **said)
    return _Built(draft, _step(step, draft.job.params))


def _is_open(value: Any) -> bool:
    return next(values.expressions(value), None) is not None


@contextmanager
def _named(part: str) -> Iterator[None]:
    """Bad fields below `part`."""
    try:
        yield
    except RefusedTerms:
        raise
    except Refused as refused:
        raise Refused({f"{part}.{name}".rstrip("."): texts for name, texts in refused.errors.items()}) from refused


def _step(step: Planned, template: Any) -> Step:
    return Step(
        template=template, immutable=bool(step.spec.get("immutable")), each=step.each, gathers=step.gathers,
        needs=step.spec.get("needs") or Needs.ALL, is_named=bool(step.spec.get("title")),
    )  # fmt: skip


def _insert(workflow: Workflow, planned: list[Planned], built: list[_Built]) -> None:
    for one in built:
        one.draft.job.workflow = workflow
    insert_drafts([one.draft for one in built])
    seqs = dict(Job.objects.filter(workflow=workflow).values_list("id", "seq"))
    numbers = [seqs[one.draft.job.id] for one in built]
    for one, number in zip(built, numbers, strict=True):
        one.draft.job.seq = one.step.job_id = number
    Step.objects.bulk_create([one.step for one in built])
    Edge.objects.bulk_create(
        Edge(before_id=numbers[earlier], after_id=numbers[index], position=position)
        for index, step in enumerate(planned)
        for position, earlier in enumerate(step.before)
    )


def _title(built: list[_Built]) -> str:
    labels = list(dict.fromkeys(one.draft.job.kind_label for one in built))
    more = f" and {len(labels) - 3} more" if len(labels) > 3 else ""
    return (", ".join(labels[:3]) + more)[:200]


def _params(step: Planned) -> Mapping[str, Any]:
    return step.spec.get("params") or {}


def _call(step: Planned) -> tuple[list[Any], dict[str, Any]]:
    return step.spec.get("args") or [], dict(step.spec.get("kwargs") or {})


def _on_failure(value: Any) -> str:
    if value is None:
        return OnFailure.END
    if value not in OnFailure.values:
        raise Refused({"on_failure": [f"Expected {' or '.join(OnFailure.values)}."]})
    return str(value)


def _due(value: Any) -> datetime | None:
    """A moment, given as such or as ISO 8601."""
    if value is None or isinstance(value, datetime):
        return value
    try:
        return moment(str(value))
    except ValueError as error:
        raise Refused({"due_at": [str(error)]}) from None


def _fingerprint(spec: Mapping[str, Any], files: Any) -> str:
    """What makes two submissions the same: the spec as it was sent, and the content of the files."""
    sent = {name: [(each.name, digest(each)) for each in files.getlist(name)] for name in files}
    return hashlib.sha256(json.dumps([spec, sent], sort_keys=True, default=str).encode()).hexdigest()


def _earlier(user: Any, key: str, fingerprint: str) -> Workflow | None:
    owner = user if user is not None and user.pk else None
    workflow = Workflow.objects.filter(owner=owner, idempotency_key=key).first()
    if workflow and workflow.idempotency_hash != fingerprint:
        raise Conflict("This Idempotency-Key came before with another workflow.")
    return workflow
