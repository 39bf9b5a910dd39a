"""Everything that is known of one job."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Min
from django_celery_results.models import TaskResult

from jobs.browse import waiting
from jobs.browse.live import Live, overlay
from jobs.browse.represent import job_json
from jobs.core.access import is_operator, may_see
from jobs.core.outcome import from_json
from jobs.core.states import UNFINISHED, State
from jobs.models import Artifact, Attempt, AuditEntry, Edge, Incident, Job, LedgerEntry, LogLine

#: Lines of a log, and entries of a ledger, that are read at a time.
LOG_LINES, LEDGER_ENTRIES = 1_000, 500
RELATED = 20


@dataclass(frozen=True)
class Seen:
    """A job as of now: its row with the live value laid over it."""

    job: Job
    live: Live | None
    #: False where Redis did not answer: the row is SQL's alone.
    reachable: bool = True


def find(job_id: str, viewer: Any) -> Job | None:
    """The job, if it exists and the viewer may see it; one answer for both, so that ids cannot be tried out."""
    found = Job.objects.select_related("owner", "rerun_of", "schedule__task", "workflow").filter(id=job_id)
    job = next(iter(found), None)  # ids are unique; first() would sort, which costs the ORM as much as the rest
    if job is None and is_operator(viewer) and waiting.found(job_id):
        job = next(iter(found.all()), None)
    return job if job and may_see(viewer, job.owner_id) else None


def see(job: Job) -> Seen:
    """The job with Redis' word laid over it."""
    over = overlay([job])
    return Seen(job, over.get(job), over.reachable)


def as_json(seen: Seen) -> dict[str, Any]:
    """The whole job for programs, with its result: what an ETag is made of."""
    return job_json(seen.job, seen.live, result_of(seen.job, seen.live))


def result_of(job: Job, live: Live | None = None) -> Any:
    """What the job returned, as JSON; None before it has succeeded. live: where SQL may not have it yet."""
    if job.state != State.SUCCESS:
        return None
    if live and live.report:
        return live.result
    text = TaskResult.objects.filter(task_id=job.id).values_list("result", flat=True).first()
    try:
        return from_json(text) if text else None
    except (ValueError, RecursionError):
        return text  # a foreign task with a serializer of its own


def attempts_of(seen: Seen) -> list[Attempt]:
    """Newest first; the live one among them, recorded or not."""
    job = seen.job
    attempts = list(Attempt.objects.filter(job=job).order_by("-number"))
    if seen.live and seen.live.state != State.PENDING:
        if not attempts or attempts[0].number < job.attempt:
            attempts.insert(0, Attempt(job=job, number=job.attempt, started_at=job.started_at))
        attempts[0].state = job.state
        attempts[0].worker = seen.live.worker or attempts[0].worker
    return attempts


def log_of(job: Job, limit: int = LOG_LINES) -> list[LogLine]:
    """The last lines, oldest first."""
    return list(reversed(LogLine.objects.filter(job=job).order_by("-pk")[:limit]))


def inputs_of(job: Job) -> list[Artifact]:
    return list(Artifact.objects.filter(job=job, is_input=True).order_by("created", "id"))


def outputs_of(job: Job) -> list[Artifact]:
    """Files that the job made; of one name only those of the last attempt that made it."""
    latest: dict[str, Artifact] = {}
    for artifact in Artifact.objects.filter(job=job, is_input=False).order_by("attempt", "created", "id"):
        latest[artifact.name] = artifact
    return list(latest.values())


def ledger_of(job: Job, limit: int = LEDGER_ENTRIES) -> list[LedgerEntry]:
    """What became of the parts, the troubled ones first."""
    entries = LedgerEntry.objects.filter(job=job)
    troubled = list(entries.exclude(state="sent").order_by("pk")[:limit])
    return troubled + list(entries.filter(state="sent").order_by("pk")[: limit - len(troubled)])


def incidents_of(job: Job) -> list[Incident]:
    """The times it held the event loop, the longest first."""
    return list(Incident.objects.filter(job=job).order_by("-seconds")[:RELATED])


def audit_of(job: Job) -> list[AuditEntry]:
    """Who did what, oldest first. Submitting comes first, and the job itself tells of it."""
    did = "rerun" if job.rerun_of_id else "submit"
    submitted = AuditEntry(at=job.created, user=job.owner, action=did, via=job.via, job=job)
    return [submitted, *AuditEntry.objects.filter(job=job).select_related("user").order_by("at", "pk")]


def reruns_of(job: Job) -> list[Job]:
    return list(Job.objects.filter(rerun_of=job).only("seq", "id", "title", "state", "due_at", "created")[:RELATED])


def waits_for(job: Job, most: int) -> list[tuple[str, int]]:
    """Titles of the unfinished steps of its workflow that a blocked job comes after, and how many have each."""
    edges: Any = Edge.objects.filter(after=job.pk, before__state__in=UNFINISHED).values_list("before__title")
    counted = edges.annotate(number=Count("pk"), first=Min("position")).order_by("first")[:most]
    return [(title, number) for title, number, _ in counted]
