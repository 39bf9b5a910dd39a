"""One job on its way in: its parameters checked by a form that is bound once, then a row with its files, then stored.

Pages, API, command line, schedules, workflows and imports differ in where `Terms` and form come from, and in whether
they store one job or many at a time.
"""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Self

from django import forms
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from jobs.core.access import may_see
from jobs.core.errors import Conflict, Refused
from jobs.core.fields import secret_fields
from jobs.core.kind import Kind
from jobs.core.redaction import MASK, holds_mask, opened
from jobs.core.search_words import words_for
from jobs.core.states import UNFINISHED
from jobs.foreign.form import TaskForm
from jobs.foreign.task import readable_call_of
from jobs.models import Artifact, Job
from jobs.models.artifact import new_artifact_id
from jobs.models.job import new_id
from jobs.models.writing import write
from jobs.submit import files as stored
from jobs.submit import ledger, quota
from jobs.submit.insert import insert, insert_many, new_row
from jobs.submit.messages import message_for
from jobs.submit.terms import Terms
from jobs.submit.validate import cleaned, to_json, uploads
from jobs.wire.connection import breaker
from jobs.wire.publish import publish

log = logging.getLogger(__name__)

#: [s] after which dispatch looks at an accepted job that no QUEUED event has confirmed.
UNCONFIRMED_AFTER = 5.0


@dataclass(frozen=True)
class Draft:
    """A job that is not stored yet. fresh: files that came with it; kept: ids of the stored files that it takes.

    ids: those of the rows of its own for these, where its parameters name them already.
    """

    job: Job
    kept: list[str] = field(default_factory=list)
    ids: Mapping[str, str] = field(default_factory=dict)
    fresh: list[Artifact] = field(default_factory=list)


@dataclass(frozen=True)
class Submission:
    """Checked. params: as the row keeps them, but for the files; files: of each field, new ones and stored ones.

    fingerprint: answers what makes two submissions the same.
    """

    terms: Terms
    params: Mapping[str, Any]
    files: dict[str, list[Any]]
    fingerprint: Callable[[], str]

    @classmethod
    def of(cls, terms: Terms, form: forms.Form) -> Self:
        """Of a kind, by its own form. Raises Refused with every bad field."""
        data = cleaned(form)
        params, given = to_json(form, data), uploads(form, data)
        kind = terms.kind
        assert kind is not None
        return cls(terms, params, given, lambda: _fingerprint(kind, params, data, given))

    @classmethod
    def of_call(cls, terms: Terms, form: TaskForm) -> Self:
        """Of a Celery task that is no kind, by the form of its signature. Raises Refused with every bad argument."""
        cleaned(form)
        called = dict(zip(("args", "kwargs"), form.arguments(), strict=True))
        if any(map(holds_mask, readable_call_of(called))):
            raise Refused({"__all__": [f"{MASK} stands for a secret that cannot be read back: give it again."]})
        # Secrets in clear: their ciphertext differs each time.
        return cls(terms, called, {}, lambda: _hash([terms.name, opened(called)]))

    def draft(self, now: datetime | None = None, **columns: Any) -> Draft:
        """Its row, with the files in the storage. columns: further ones of the row."""
        references, fresh, kept = stored.place(self.files, self.terms.user)
        return Draft(row_of(self.terms, {**self.params, **references}, now, **columns), kept, fresh=fresh)

    def accept(self, key: str | None = None) -> Job:
        """Store it; on return its row is in SQL (with the surrounding transaction, if there is one).

        The same key of the same user answers the job that it made. Raises OverQuota, and Conflict where the key came
        with another submission.
        """
        user = self.terms.user
        fingerprint = self.fingerprint() if key else ""
        if key and (earlier := _earlier(user, key, fingerprint)):
            return earlier
        quota.check(user, 1)
        draft = self.draft(idempotency_key=key, idempotency_hash=fingerprint)
        try:
            accept(draft)
        except IntegrityError:
            # Of two submissions with one key (or of one schedule's run, or of a job that is to be there once) at the
            # same time, the unique index let one in: this is the other.
            for artifact in draft.fresh:
                Artifact.storage().delete(artifact.path)
            if draft.job.unique_key and (first := _unfinished_like(draft.job, user)):
                return first
            if key and (earlier := _earlier(user, key, fingerprint)):
                return earlier
            raise
        return draft.job


def row_of(terms: Terms, params: Mapping[str, Any], now: datetime | None = None, **columns: Any) -> Job:
    """The row of a job that is not stored yet."""
    now = now or timezone.now()
    kind, owner, title = terms.kind, terms.owner, terms.title_of(params)
    waits = terms.due_at is not None and terms.due_at > now
    first = first_check(kind, now, blocked=terms.blocked)
    return new_row(
        id=new_id(), kind=terms.name, is_kind=kind is not None, title=title, owner=owner, via=terms.via,
        queue=terms.queue, priority=terms.priority, params=dict(params), max_attempts=terms.attempts, created=now,
        changed=now, due_at=terms.due_at, blocked=terms.blocked, next_check_at=terms.due_at if waits else first,
        unique_key=None if kind is None or terms.blocked else _unique_key(kind, params),
        search=words_for(
            title, terms.name, kind.label if kind else terms.name, owner.get_username() if owner else ""
        ),
        **{**terms.more, **columns},
    )  # fmt: skip


def _unique_key(kind: type[Kind], params: Mapping[str, Any]) -> str | None:
    """The kind's key, or of a long one its hash: the column holds 255 characters."""
    key = kind.unique_key(params)
    return key if key is None or len(key) <= 255 else hashlib.sha256(key.encode()).hexdigest()


def first_check(kind: type[Kind] | None, now: datetime, *, blocked: bool = False) -> datetime | None:
    """When dispatch first looks at a job that is due. None: not by the clock, but at every turn (one of a limited kind,
    that waits for its place), or once a step before it has ended."""
    if blocked or (kind is not None and kind.is_limited()):
        return None
    return now + timedelta(seconds=UNCONFIRMED_AFTER)


def accept(draft: Draft) -> None:
    """Store a new job with its files. Who submitted it, how and when, the row says: the audit does not repeat it."""
    job = draft.job
    with write():
        insert(job)
        for artifact in draft.fresh:
            artifact.job = job
        if draft.fresh or draft.kept:
            Artifact.objects.bulk_create([*draft.fresh, *_copies(draft.kept, job, job.owner, draft.ids)])
    transaction.on_commit(lambda: publish_now([job]))  # at once, or with the surrounding transaction


def insert_drafts(drafts: Sequence[Draft]) -> None:
    """Insert their rows, within a transaction. Raises IntegrityError."""
    insert_many([each.job for each in drafts])
    if any(each.kept for each in drafts):
        _keep_artifacts(drafts)


def publish_now(jobs: Sequence[Job]) -> None:
    """Publish what is due, if Redis is there; dispatch does it otherwise (LINE 12)."""
    now = timezone.now()
    due = [job for job in jobs if (job.due_at is None or job.due_at <= now) and not is_held(job)]
    if not due:
        return
    try:
        breaker.call(ledger.restore, due)
        publish(message_for(job, job.owner.get_username() if job.owner else "") for job in due)
    except ConnectionError as error:
        log.warning("%d accepted, to be published once Redis is back: %s", len(due), error)


def is_held(job: Job) -> bool:
    """Whether only dispatch may publish it (keeper/admit.py)."""
    kind = job.kind_class
    return kind is not None and kind.is_limited()


def _keep_artifacts(drafts: Sequence[Draft]) -> None:
    seqs: dict[str, int] = {}
    for start in range(0, len(drafts), 500):
        some = Job.objects.filter(id__in=[each.job.id for each in drafts[start : start + 500]])
        seqs.update(some.values_list("id", "seq"))
    for each in drafts:
        each.job.seq = seqs[each.job.id]
    Artifact.objects.bulk_create(
        [copy for each in drafts for copy in _copies(each.kept, each.job, each.job.owner, each.ids)]
    )


def keep_files(job: Job, kept: list[str]) -> None:
    """Make stored files inputs of a job that is stored already. Those that are stay as they are."""
    have = set(job.artifacts.values_list("path", flat=True))
    Artifact.objects.bulk_create([copy for copy in _copies(kept, job, job.owner) if copy.path not in have])


def _copies(kept: list[str], job: Job, user: Any, ids: Mapping[str, str] = MappingProxyType({})) -> list[Artifact]:
    """Rows of the job's own for files that were stored before: the bytes stay while any row names them."""
    if not kept:
        return []
    owner = user if user is not None and user.pk else None
    return [
        Artifact(
            id=ids.get(old.id) or new_artifact_id(),
            job=job,
            owner=owner,
            is_input=True,
            name=old.name,
            content_type=old.content_type,
            size=old.size,
            path=old.path,
        )
        for old in Artifact.objects.filter(id__in=kept)
    ]


def _unfinished_like(job: Job, user: Any) -> Job | None:
    """The job that waits or runs with the same unique key. Raises Conflict where the user may not see it."""
    first = Job.objects.filter(kind=job.kind, unique_key=job.unique_key, state__in=UNFINISHED).first()
    if first and user is not None and not may_see(user, first.owner_id):
        raise Conflict("Somebody else's job does this already; yours is not needed until it has ended.", first.state)
    return first


def _fingerprint(
    kind: type[Kind], plain: Mapping[str, Any], data: Mapping[str, Any], given: Mapping[str, list[Any]]
) -> str:
    """What makes two submissions the same: kind, parameters, and the content of the files.

    Of a secret, whose ciphertext differs each time, a keyed digest: another secret is another submission, and the
    stored fingerprint does not help to guess it.
    """
    secrets = secret_fields(kind)
    open_ones = {name: value for name, value in plain.items() if name not in secrets}
    parts: list[Any] = [kind.slug, open_ones]
    parts += [
        [name, salted_hmac("jobs.idempotency", str(data.get(name) or "")).hexdigest()] for name in sorted(secrets)
    ]
    for name, uploads_ in sorted(given.items()):
        for upload in uploads_:
            parts.append([name, upload.name, upload.size, digest(upload)])
    return _hash(parts)


def _hash(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def digest(upload: Any) -> str:
    """Of an upload's content; of a stored file its id, which stands for that."""
    if not hasattr(upload, "chunks"):
        return upload.artifact
    found = hashlib.sha256()
    for chunk in upload.chunks():
        found.update(chunk)
    return found.hexdigest()


def _earlier(user: Any, key: str, fingerprint: str) -> Job | None:
    owner = user if user is not None and user.pk else None
    job = Job.objects.filter(owner=owner, idempotency_key=key).select_related("owner").first()
    if job and job.idempotency_hash != fingerprint:
        raise Conflict("This Idempotency-Key came before with other parameters.", job.state)
    return job
