"""From the stream into SQL: one batch, one transaction (LINE 11)."""

import json

from django.utils import timezone

from jobs.core.redaction import masked
from jobs.core.search_words import add_words
from jobs.core.states import FINAL
from jobs.keeper import canvas, foreign, read, write
from jobs.keeper.plan import AttemptChange, JobChange, Plan
from jobs.keeper.settle import settle
from jobs.models import writing
from jobs.wire import events, keys, scripts
from jobs.wire.celery_result import celery_keeps_results
from jobs.wire.connection import redis_client
from jobs.wire.events import Event
from jobs.workflows import advance


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
            settle(job.id, job.attempt, user, verdict.state, verdict.error_type, verdict.error, lost=job.finished_at)
        for job_id, message, number in plan.renumbered:
            # Before SQL has it, as above: should this be repeated, the numbers come out the same.
            scripts.call(redis_client(), "renumber", [keys.run(job_id)], [message, number])
        _write(plan)
        canvas.tie(telling)
        ends = [job for job in map(plan.jobs.__getitem__, plan.results) if job.workflow and job.state in FINAL]
        if ends:
            advance.ended([(job.seq, job.state, str(job.workflow)) for job in ends], timezone.now())


def _load(batch: list[Event]) -> Plan:
    ids = sorted({event.job for event in batch})
    plan = Plan(jobs=read.jobs(ids))
    unknown = [event for event in batch if event.job not in plan.jobs and event.fields.get("foreign")]
    if unknown:
        foreign.accept(unknown)
        plan.jobs.update(read.jobs({event.job for event in unknown}))
    by_seq = {job.seq: job.id for job in plan.jobs.values()}
    for seq, attempt in read.attempts(by_seq):
        plan.attempts[by_seq[seq], attempt.number] = attempt
    return plan


def _write(plan: Plan) -> None:
    touched = [job for job in plan.jobs.values() if job.touched]
    write.jobs(touched)
    write.sendings([(plan.jobs[job_id], event) for job_id, event in plan.sendings.items()])
    failed = [job for job in touched if job.error and job.state in FINAL]
    for job in failed:
        job.search = add_words(job.search, f"{job.error_type} {job.error}")
    write.search_words(failed)
    seq_of = {job.id: job.seq for job in plan.jobs.values()}
    write.attempts([(seq_of[owner], row) for (owner, _), row in plan.attempts.items() if row.touched])
    if not celery_keeps_results():
        write.results([_ending(plan, event) for event in plan.results.values() if not event.fields.get("kept_in_sql")])
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
    params = masked(json.loads(job.params))
    if job.is_kind:
        return "[]", json.dumps(params, ensure_ascii=False)
    return json.dumps(params.get("args", [])), json.dumps(params.get("kwargs", {}))
