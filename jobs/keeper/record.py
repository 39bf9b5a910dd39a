"""From the stream into SQL: one batch, one transaction (LINE 11)."""

import json
import logging

from django.utils import timezone

from jobs.core.redaction import masked
from jobs.core.search_words import add_words
from jobs.core.states import FINAL
from jobs.keeper import canvas, foreign, write
from jobs.keeper.plan import AttemptChange, JobChange, Plan
from jobs.keeper.settle import settle
from jobs.models import Attempt, Job, writing
from jobs.wire import events
from jobs.wire.events import Event
from jobs.workflows import advance

log = logging.getLogger(__name__)

_JOB_COLUMNS = (
    "seq", "id", "kind", "is_kind", "owner_id", "queue", "state", "attempt", "max_attempts", "first_attempt", "assumed",
    "cancel_requested_at", "search", "params", "worker", "outcome", "error_type", "error", "published_at",
    "started_at", "finished_at", "changed", "next_check_at", "workflow_id",
)  # fmt: skip
_ATTEMPT_COLUMNS = (
    "number", "state", "worker", "pid", "queued_at", "started_at", "finished_at", "next_retry_at", "error_type",
    "error", "traceback", "memory", "cpu_seconds",
)  # fmt: skip
_CHUNK = 500


def record(batch: list[Event]) -> None:
    """Write what a batch of events says. Writing it again changes nothing: a crash before the answer is harmless."""
    telling = [event for event in batch if event.type != events.PROGRESS]
    if not telling:
        return
    with writing.write():
        plan = _load(telling)
        for event in telling:
            plan.apply(event)
        for job, verdict in plan.settled:
            user = str(job.owner or "")
            settle(job.id, job.attempt, user, verdict.state, verdict.error_type, verdict.error, assumed=True)
        _write(plan)
        canvas.tie(telling)
        ends = [job for job in map(plan.jobs.__getitem__, plan.results) if job.workflow and job.state in FINAL]
        if ends:
            advance.ended([(job.seq, job.state, str(job.workflow)) for job in ends], timezone.now())


def _load(batch: list[Event]) -> Plan:
    ids = sorted({event.job for event in batch})
    plan = Plan(jobs=_jobs(ids))
    unknown = [event for event in batch if event.job not in plan.jobs and event.fields.get("foreign")]
    if unknown:
        foreign.accept(unknown)
        plan.jobs.update(_jobs(sorted({event.job for event in unknown})))
    by_seq = {job.seq: job.id for job in plan.jobs.values()}
    seqs = list(by_seq)
    for start in range(0, len(seqs), _CHUNK):
        rows = Attempt.objects.filter(job__in=seqs[start : start + _CHUNK]).values_list("job_id", *_ATTEMPT_COLUMNS)
        for seq, *values in rows:
            attempt = AttemptChange(*values)
            plan.attempts[by_seq[seq], attempt.number] = attempt
    return plan


def _jobs(ids: list[str]) -> dict[str, JobChange]:
    found = {}
    for start in range(0, len(ids), _CHUNK):
        # Locked: a page's cancel or retry and this batch come one after the other; SQLite has one writer anyway.
        rows = Job.objects.filter(id__in=ids[start : start + _CHUNK]).select_for_update().order_by("seq")
        for values in rows.values_list(*_JOB_COLUMNS):
            job = JobChange(*values)
            found[job.id] = job
    return found


def _write(plan: Plan) -> None:
    touched = [job for job in plan.jobs.values() if job.touched]
    write.jobs(touched)
    failed = [job for job in touched if job.error and job.state in FINAL]
    for job in failed:
        job.search = add_words(job.search, f"{job.error_type} {job.error}")
    write.search_words(failed)
    seq_of = {job.id: job.seq for job in plan.jobs.values()}
    write.attempts([(seq_of[owner], row) for (owner, _), row in plan.attempts.items() if row.touched])
    write.results([_ending(plan, event) for event in plan.results.values()])
    write.logs([(seq_of[event.job], event) for event in plan.logs])
    write.artifacts([(plan.jobs[event.job], event) for event in plan.artifacts])
    write.incidents([(seq_of.get(event.job), event) for event in plan.incidents.values()])
    write.throughput(plan.counts)
    write.timings(plan.timings)
    write.ledger([(seq_of[job_id], event) for (job_id, _), event in plan.ledger.items()])


def _ending(plan: Plan, event: Event) -> tuple[JobChange, tuple[str, str], Event, AttemptChange | None]:
    job = plan.jobs[event.job]
    return job, _masked_params(job), event, plan.attempts.get((event.job, event.attempt))


def _masked_params(job: JobChange) -> tuple[str, str]:
    """(args, kwargs) for the TaskResult."""
    if job.is_kind:
        return "[]", json.dumps(masked(job.params), ensure_ascii=False)
    params = masked(job.params)
    return json.dumps(params.get("args", [])), json.dumps(params.get("kwargs", {}))
