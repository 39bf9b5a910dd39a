"""Accepting jobs: validated, stored in SQL, and only then published."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from jobs.core import priorities
from jobs.core.access import is_operator, may_see, may_submit
from jobs.core.errors import Conflict, Refused
from jobs.core.fields import secret_fields
from jobs.core.kind import POOLS, Kind
from jobs.core.moment import WITHIN, is_usable
from jobs.core.registry import all_kinds, get_kind
from jobs.core.search_words import words_for
from jobs.core.states import UNFINISHED
from jobs.models import Artifact, AuditEntry, Job
from jobs.models.artifact import new_artifact_id
from jobs.models.job import Via, new_id
from jobs.models.writing import write
from jobs.submit import files as stored
from jobs.submit import ledger, quota
from jobs.submit.insert import insert, insert_many, new_row
from jobs.submit.messages import message_for
from jobs.submit.offenders import pool_of
from jobs.submit.validate import bind, cleaned, to_json, uploads
from jobs.wire.connection import breaker
from jobs.wire.publish import publish

log = logging.getLogger(__name__)

#: [s] after which dispatch looks at an accepted job that no QUEUED event has confirmed.
UNCONFIRMED_AFTER = 5.0
MAX_BULK = 10_000
#: Errors told of a bulk submission.
_MOST_ERRORS = 200


def submit(
    kind: str | type[Kind],
    params: Mapping[str, Any],
    *,
    files: Any = None,
    user: Any = None,
    via: str = Via.FORM,
    title: str = "",
    priority: str | int | None = None,
    queue: str | None = None,
    due_at: datetime | None = None,
    schedule: Any = None,
    slot: datetime | None = None,
    rerun_of: Job | None = None,
    idempotency_key: str | None = None,
) -> Job:
    """Accept one job; on return its row is in SQL (with the surrounding transaction, if there is one).

    params: JSON by field name, or a page's POST data; files: a MultiValueDict of uploads and FileRefs.
    The same idempotency key of the same user answers the job that it made.
    Raises Refused with every bad field, OverQuota, and Conflict where the key came with other parameters.
    """
    kind = kind_for(kind, user)
    form = bind(kind, params, files, user)
    data = cleaned(form)
    plain = to_json(form, data)
    given = uploads(form, data)
    fingerprint = _fingerprint(kind, plain, data, given) if idempotency_key else ""
    if idempotency_key and (earlier := earlier_job(user, idempotency_key, fingerprint)):
        return earlier
    quota.check(user, 1)
    references, fresh, kept = stored.place(given, user)
    job = row_for(
        kind, {**plain, **references}, user=user, via=via, title=title, priority=priority, queue=queue, due_at=due_at,
        schedule=schedule, slot=slot, rerun_of=rerun_of, idempotency_key=idempotency_key,
        idempotency_hash=fingerprint,
    )  # fmt: skip
    try:
        accept(job, fresh, kept, user)
    except IntegrityError:
        # Of two submissions with one key (or of one schedule's run, or of a job that is to be there once) at the
        # same time, the unique index let one in: this is the other.
        for artifact in fresh:
            Artifact.storage().delete(artifact.path)
        if job.unique_key and (first := _unfinished_like(job, user)):
            return first
        if idempotency_key and (earlier := earlier_job(user, idempotency_key, fingerprint)):
            return earlier
        raise
    return job


def submit_many(
    kind: str | type[Kind],
    items: Sequence[Mapping[str, Any]],
    *,
    user: Any = None,
    via: str = Via.API,
    priority: str | int | None = None,
    queue: str | None = None,
    due_at: datetime | None = None,
    title: str = "",
    keys: Sequence[str] = (),
) -> list[Job]:
    """Accept many jobs of one kind, all or none, without new files.

    keys: an idempotency key for each item; where one made a job of this user before, that job is answered.
    Raises Refused with fields named items[3].width; OverQuota; Conflict where a job that is to be there once waits or
    runs already; IntegrityError where somebody submits one of `keys` meanwhile.
    """
    kind = kind_for(kind, user)
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
            drafts.append(drafted(
                kind, params, user=user, via=via, title=title, priority=priority, queue=queue, due_at=due_at,
                idempotency_key=key, now=now,
            ))  # fmt: skip
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
            AuditEntry.record(user, "submit many", target=f"{len(rows)} × {kind.label}", via=via, first=rows[0].id)
    except IntegrityError as error:
        if any(job.unique_key for job in rows):
            raise Conflict("One of these jobs waits or runs already, and is to be there only once.") from error
        raise
    transaction.on_commit(lambda: publish_now(rows))  # at once, or with the surrounding transaction
    if not earlier:
        return rows
    made = {**earlier, **{str(job.idempotency_key): job for job in rows}}
    return [made[key] for key in keys]


@dataclass(frozen=True)
class Draft:
    """A job that was checked and is not stored yet; kept: ids of the stored files that it takes.

    ids: those of the rows of its own for these, where its parameters name them already.
    """

    job: Job
    kept: list[str]
    ids: Mapping[str, str] = field(default_factory=dict)


def draft(kind: str | type[Kind], params: Mapping[str, Any], *, user: Any = None, **options: Any) -> Draft:
    """One job without new files, for `insert_drafts`; options: those of `submit`. Raises Refused and OverQuota."""
    found = kind_for(kind, user)
    quota.check(user, 1)
    return drafted(found, params, user=user, **options)


def insert_drafts(drafts: Sequence[Draft]) -> None:
    """Insert their rows, within a transaction. Raises IntegrityError."""
    insert_many([each.job for each in drafts])
    if any(each.kept for each in drafts):
        _keep_artifacts(drafts)


def drafted(kind: type[Kind], params: Mapping[str, Any], *, user: Any, **options: Any) -> Draft:
    """As `draft`, where the kind was looked up and the quota asked before. Raises Refused."""
    form = bind(kind, params, None, user)
    data = cleaned(form)
    references, _, kept = stored.place(uploads(form, data), user)
    return Draft(row_for(kind, {**to_json(form, data), **references}, user=user, **options), kept)


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


def _unfinished_like(job: Job, user: Any) -> Job | None:
    """The job that waits or runs with the same unique key. Raises Conflict where the user may not see it."""
    first = Job.objects.filter(kind=job.kind, unique_key=job.unique_key, state__in=UNFINISHED).first()
    if first and user is not None and not may_see(user, first.owner_id):
        raise Conflict("Somebody else's job does this already; yours is not needed until it has ended.", first.state)
    return first


def kind_for(kind: str | type[Kind], user: Any) -> type[Kind]:
    """The kind of that name. Raises Refused where there is none, or the user may not submit it."""
    found = get_kind(kind) if isinstance(kind, str) else kind
    if found is None:
        raise Refused({"kind": [f"No kind {str(kind)[:80]!r}. There are: {', '.join(all_kinds())}."]})
    if not may_submit(user, found):
        raise Refused({"kind": [f"Only operators may submit “{found.label}”."]})
    return found


def row_for(kind: type[Kind], params: Mapping[str, Any], *, user: Any, via: str, title: str = "",
            priority: str | int | None = None, queue: str | None = None, due_at: datetime | None = None,
            blocked: bool = False, now: datetime | None = None, **more: Any) -> Job:  # fmt: skip
    """A job that is not stored yet. blocked: its parameters are not all known, and dispatch leaves it alone."""
    now = now or timezone.now()
    check_due(due_at)
    title = (title or ("" if blocked else kind.title(params))).strip()[:200] or kind.label
    owner = user if user is not None and user.pk else None
    waits = due_at is not None and due_at > now
    return new_row(
        id=new_id(), kind=kind.slug, title=title, owner=owner, via=via, queue=queue_for(kind, queue, user),
        priority=priority_number(priority), params=dict(params), max_attempts=kind.retry.attempts, created=now,
        changed=now, due_at=due_at, blocked=blocked,
        next_check_at=due_at if waits else first_check(kind, now, blocked=blocked),
        unique_key=None if blocked else _unique_key(kind, params),
        search=words_for(title, kind.slug, kind.label, owner.get_username() if owner else ""), **more,
    )  # fmt: skip


def check_due(due_at: datetime | None) -> None:
    """Raises Refused for a start that no clock shows, or nobody lives to see."""
    if due_at is not None and not is_usable(due_at):
        raise Refused({"due_at": [f"{due_at.isoformat()[:40]} cannot be used: {WITHIN}."]})


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


def priority_number(priority: str | int | None) -> int:
    """The stored number of a priority given by name or number. Raises Refused."""
    if priority is None or priority == "":
        return priorities.NORMAL
    if priority in priorities.BY_NAME:
        return priorities.BY_NAME[str(priority)]
    if isinstance(priority, int) and not isinstance(priority, bool) and priority in priorities.NAMES:
        return priority
    raise Refused({"priority": [f"{str(priority)[:80]!r} is none: expected {', '.join(priorities.BY_NAME)}."]})


def queue_for(kind: type[Kind], queue: str | None, user: Any) -> str:
    """The queue of the kind's pool, or another one that an operator chose. Raises Refused.

    What it has answered it takes again from anybody: forms, drafts and reruns ask it more than once.
    """
    usual = pool_of(kind)
    if not queue or queue in (kind.pool, usual):
        return usual
    if queue not in (known := choosable_queues()):
        raise Refused({"queue": [f"There is no queue {queue[:80]!r}: expected {', '.join(known)}."]})
    if user is not None and not is_operator(user):
        raise Refused({"queue": [f"Only operators choose a queue; {kind.label} runs in {kind.pool}."]})
    return queue


def choosable_queues() -> list[str]:
    """The queues that an operator may choose: those of the pools, and further ones of the settings."""
    more = getattr(settings, "JOBSITE_QUEUES", {})
    return [*POOLS, *(name for names in more.values() for name in names)]


def accept(job: Job, fresh: list[Artifact], kept: list[str], user: Any) -> None:
    """Store a new job with its files. Who submitted it, how and when, the row says: the audit does not repeat it."""
    with write():
        insert(job)
        for artifact in fresh:
            artifact.job = job
        if fresh or kept:
            Artifact.objects.bulk_create([*fresh, *_copies(kept, job, user)])
    transaction.on_commit(lambda: publish_now([job]))  # at once, or with the surrounding transaction


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
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def digest(upload: Any) -> str:
    """Of an upload's content; of a stored file its id, which stands for that."""
    if not hasattr(upload, "chunks"):
        return upload.artifact
    found = hashlib.sha256()
    for chunk in upload.chunks():
        found.update(chunk)
    upload.seek(0)
    return found.hexdigest()


def earlier_job(user: Any, key: str, fingerprint: str) -> Job | None:
    owner = user if user is not None and user.pk else None
    job = Job.objects.filter(owner=owner, idempotency_key=key).select_related("owner").first()
    if job and job.idempotency_hash != fingerprint:
        raise Conflict("This Idempotency-Key came before with other parameters.", job.state)
    return job


def _earlier_ones(user: Any, keys: Sequence[str]) -> dict[str, Job]:
    """{key: the job that it made before}."""
    owner = user if user is not None and user.pk else None
    found: dict[str, Job] = {}
    for start in range(0, len(keys), 500):
        some = Job.objects.filter(owner=owner, idempotency_key__in=keys[start : start + 500])
        found.update({str(job.idempotency_key): job for job in some})
    return found
