"""Accepting jobs of kinds, by parameters that a program names: one, or many at once."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from jobs.core.errors import Conflict, Refused
from jobs.core.kind import Kind
from jobs.models import AuditEntry, Job
from jobs.models.job import Via
from jobs.models.writing import write
from jobs.submit import quota
from jobs.submit.submission import Draft, Submission, insert_drafts, publish_now
from jobs.submit.terms import Terms
from jobs.submit.validate import bind

MAX_BULK = 10_000
#: Errors told of a bulk submission.
_MOST_ERRORS = 200


def submit(
    kind: str | type[Kind], params: Mapping[str, Any], *, files: Any = None, user: Any = None, via: str = Via.FORM,
    idempotency_key: str | None = None, **terms: Any,
) -> Job:  # fmt: skip
    """Accept one job; on return its row is in SQL (with the surrounding transaction, if there is one).

    params: JSON by field name; files: a MultiValueDict of uploads and FileRefs; terms: those of `Terms.of`.
    The same idempotency key of the same user answers the job that it made.
    Raises Refused with every bad field, OverQuota, and Conflict where the key came with other parameters.
    """
    agreed = Terms.of(kind, user, via=via, **terms)
    return _checked(agreed, params, files).accept(idempotency_key)


def draft(kind: str | type[Kind], params: Mapping[str, Any], *, user: Any, via: str, **terms: Any) -> Draft:
    """One job without new files, for `insert_drafts`; terms: those of `Terms.of`. Raises Refused and OverQuota."""
    agreed = Terms.of(kind, user, via=via, **terms)
    quota.check(user, 1)
    return _checked(agreed, params).draft()


def _checked(terms: Terms, params: Mapping[str, Any], files: Any = None) -> Submission:
    assert terms.kind is not None
    return Submission.of(terms, bind(terms.kind, params, files, terms.user))


def submit_many(
    kind: str | type[Kind], items: Sequence[Mapping[str, Any]], *, user: Any = None, via: str = Via.API,
    keys: Sequence[str] = (), **terms: Any,
) -> list[Job]:  # fmt: skip
    """Accept many jobs of one kind, all or none, without new files.

    keys: an idempotency key for each item; where one made a job of this user before, that job is answered.
    terms: those of `Terms.of`. Raises Refused with fields named items[3].width; OverQuota; Conflict where a job that
    is to be there once waits or runs already; IntegrityError where somebody submits one of `keys` meanwhile.
    """
    agreed = Terms.of(kind, user, via=via, **terms)
    assert agreed.kind is not None
    if not 0 < len(items) <= MAX_BULK:
        raise Refused({"items": [f"{len(items)} given: from 1 to {MAX_BULK:,} are taken at a time."]})
    earlier = _earlier_ones(user, keys)
    quota.check(user, len(items) - len(earlier))
    errors: dict[str, list[str]] = {}
    drafts: list[Draft] = []
    now = timezone.now()  # of all of them: each column's value is made ready for SQL once
    for index, params in enumerate(items):
        if len(errors) >= _MOST_ERRORS:
            break
        key = keys[index] if keys else None
        if key in earlier:
            continue
        try:
            drafts.append(_checked(agreed, params).draft(now, idempotency_key=key))
        except Refused as refused:
            errors.update({f"items[{index}].{field}": texts for field, texts in refused.errors.items()})
    if errors:
        raise Refused(dict(list(errors.items())[:_MOST_ERRORS]))
    rows = [draft.job for draft in drafts]
    if not rows:
        return [earlier[key] for key in keys]
    try:
        with write():
            insert_drafts(drafts)
            what = f"{len(rows)} × {agreed.label}"
            AuditEntry.record(user, "submit many", target=what, via=via, first=rows[0].id)
    except IntegrityError as error:
        if any(job.unique_key for job in rows):
            raise Conflict("One of these jobs waits or runs already, and is to be there only once.") from error
        raise
    transaction.on_commit(lambda: publish_now(rows))  # at once, or with the surrounding transaction
    if not earlier:
        return rows
    made = {**earlier, **{str(job.idempotency_key): job for job in rows}}
    return [made[key] for key in keys]


def _earlier_ones(user: Any, keys: Sequence[str]) -> dict[str, Job]:
    """{key: the job that it made before}."""
    owner = user if user is not None and user.pk else None
    found: dict[str, Job] = {}
    for start in range(0, len(keys), 500):
        some = Job.objects.filter(owner=owner, idempotency_key__in=keys[start : start + 500])
        found.update({str(job.idempotency_key): job for job in some})
    return found
