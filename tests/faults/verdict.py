"""Every job counted: what was lost, what was done twice, what was told otherwise than it was."""

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from django_celery_results.models import TaskResult

from jobs.models import Job
from tests.faults.ledger import Ledger
from tests.faults.load import Load

FINAL = ("SUCCESS", "FAILURE", "REVOKED")
#: How a job may fail that should have succeeded: its worker was killed, and repeating it was not safe (or was tried
#: three times).
LOST_WITH_ITS_WORKER = ("OutcomeUnknown", "WorkerLost")
#: How a task that Celery code sent fails where its child alone was killed.
LOST_WITH_ITS_CHILD = "WorkerLostError"


@dataclass
class Verdict:
    """Ids with what is wrong about each. Nothing may be wrong."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    untrue: list[str] = field(default_factory=list)
    states: Counter[tuple[str, str]] = field(default_factory=Counter)
    repeated: int = 0

    def wrong(self) -> dict[str, list[str]]:
        found = {"lost": self.lost, "doubled": self.doubled, "untrue": self.untrue}
        return {name: items[:20] for name, items in found.items() if items}


def judge(load: Load, jobs: list[Job], ledger: Ledger, hits: Counter[str], redis: Any) -> Verdict:
    """Of all jobs of the history, once nothing moves any more."""
    verdict = Verdict()
    rows = {job.id: job for job in jobs}
    for job_id, planned in load.accepted.items():
        if job_id not in rows:
            verdict.lost.append(f"{job_id} ({planned.sort}) was accepted, and has no row")
    _judge_bodies(verdict, ledger, rows)
    _judge_senders(verdict, jobs)
    results = _results(redis, list(rows))
    for job in jobs:
        verdict.states[job.kind, job.state] += 1
        verdict.repeated += job.state == "SUCCESS" and any(each.state == "LOST" for each in job.attempts.all())
        _judge_row(verdict, job, ledger, results.get(job.id))
    begun = ledger.of_job()
    for job_id, planned in load.accepted.items():
        if planned.sort == "http" and (count := hits[f"/{load.seed}/{planned.number}"]) > begun.get(job_id, 0):
            verdict.doubled.append(f"{job_id} asked the server {count} times in {begun.get(job_id, 0)} runs")
    return verdict


def _judge_bodies(verdict: Verdict, ledger: Ledger, rows: dict[str, Job]) -> None:
    for (job_id, attempt), count in ledger.begun.items():
        if count > 1:
            verdict.doubled.append(f"{job_id}, attempt {attempt}, began {count} times")
        if job_id not in rows:
            verdict.lost.append(f"{job_id} ran and has no row")


def _judge_senders(verdict: Verdict, jobs: list[Job]) -> None:
    """A program that sent again, with its key, was answered the same job."""
    for title, count in Counter(job.title for job in jobs if job.title.startswith("order-") and job.is_kind).items():
        if count > 1:
            verdict.doubled.append(f"{title} is {count} jobs")


def _judge_row(verdict: Verdict, job: Job, ledger: Ledger, result: dict[str, Any] | None) -> None:
    attempts = {each.number: each.state for each in job.attempts.all()}
    if job.state not in FINAL:
        verdict.lost.append(f"{job.id} ({job.kind}) is {job.state}, attempt {job.attempt}")
        return
    _judge_records(verdict, job, list(attempts), result)
    if job.state == "SUCCESS":
        if not ledger.ended.get((job.id, job.attempt)):
            verdict.untrue.append(f"{job.id} ({job.kind}) succeeded at attempt {job.attempt}, whose body never ended")
    elif job.error_type != LOST_WITH_ITS_CHILD and (
        job.error_type not in LOST_WITH_ITS_WORKER or "LOST" not in attempts.values()
    ):
        verdict.untrue.append(f"{job.id} ({job.kind}) is {job.state}: {job.error_type} {job.error}")
    if not (job.kind_class and job.kind_class.idempotent):
        for number, state in attempts.items():
            if state == "LOST" and ledger.begun.get((job.id, number + 1)):
                verdict.doubled.append(f"{job.id} ({job.kind}) was lost at attempt {number} and ran again")


def _judge_records(verdict: Verdict, job: Job, attempts: list[int], result: dict[str, Any] | None) -> None:
    """Whether all who are asked say the same."""
    if attempts != list(range(1, job.attempt + 1)):
        verdict.untrue.append(f"{job.id}: attempts {attempts} of {job.attempt}")
    kept = list(TaskResult.objects.filter(task_id=job.id).values_list("status", flat=True))
    if kept != [job.state]:
        verdict.untrue.append(f"{job.id} is {job.state}, its TaskResult {kept}")
    if result and result["status"] != job.state:
        verdict.untrue.append(f"{job.id} is {job.state}, its client reads {result['status']}")


def _results(redis: Any, ids: list[str]) -> dict[str, dict[str, Any]]:
    """What clients of Celery read."""
    found = {}
    for start in range(0, len(ids), 500):
        part = ids[start : start + 500]
        for job_id, text in zip(part, redis.mget([f"celery-task-meta-{each}" for each in part]), strict=True):
            if text:
                found[job_id] = json.loads(text)
    return found
