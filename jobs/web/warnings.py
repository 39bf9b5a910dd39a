"""What needs somebody: each with what it is, since when, and one thing to do about it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Min, QuerySet
from django.db.models.functions import Coalesce, Greatest
from django.urls import reverse
from django.utils import timezone

from jobs.browse.failures import failed_since
from jobs.core.kind import POOLS
from jobs.core.states import State
from jobs.fleet.pause import Pause, paused_queues
from jobs.models import Job, Schedule
from jobs.schedules.code import unusable
from jobs.schedules.plan import ON_TIME
from jobs.supervisor import disk
from jobs.web import words
from jobs.web.nav import page_url
from jobs.wire import keys, workers
from jobs.wire.connection import UNREACHABLE, answer_of, breaker, fullness, redis_client, refusal

RECENT = timedelta(days=1)
#: Counting and looking stop here: texts say "10,000+", and the cost stays the same.
CAP = 10_000


@dataclass(frozen=True)
class Alert:
    """state: the key of the state whose colours it has. url, action: what to do about it; by POST where `at_once`."""

    state: str
    what: str
    advice: str = ""
    since: datetime | None = None
    url: str = ""
    action: str = ""
    at_once: bool = False


def waiting_now(now: datetime) -> QuerySet[Job]:
    """Jobs that could start at once."""
    return Job.objects.filter(state=State.PENDING, blocked=False).exclude(due_at__gt=now)


def waiting_since(now: datetime) -> dict[str, datetime]:
    """By queue, since when the job has waited that has waited longest; looked for among the CAP that were made first.

    A retry, a step that was let start and a job that has become due were made long before they began to wait.
    """
    first = waiting_now(now).order_by("created", "seq").values("seq")[:CAP]
    began = Greatest(Coalesce("published_at", "changed"), Coalesce("due_at", "published_at", "changed"))
    waiting = Job.objects.filter(seq__in=first).order_by()
    return dict(waiting.values_list("queue").annotate(began=Min(began)))


def capped(jobs: QuerySet[Job]) -> int:
    return jobs[: CAP + 1].count()


def counted(count: int) -> str:
    return f"{CAP:,}+" if count > CAP else f"{count:,}"


def all_warnings(now: datetime | None = None) -> list[Alert]:
    """The worst first."""
    now = now or timezone.now()
    try:
        served, paused, full = breaker.call(_served_queues), paused_queues(), _redis()
    except ConnectionError as error:
        what = refusal(error) or "Work is on hold: Redis does not answer."
        hold = Alert(
            "retrying", what, "New jobs are kept and start by themselves.", url="/readyz", action="What answers"
        )
        return [*_full(), hold, *_overdue(now), *_cannot_start(), *_failures(now)]
    return [
        *full,
        *_full(),
        *_paused(paused, now),
        *_unserved(served | set(paused), now),
        *_overdue(now),
        *_cannot_start(),
        *_failures(now),
    ]


def _redis() -> list[Alert]:
    """Raises ConnectionError."""
    text = fullness(breaker.call(redis_client().info, "memory"))
    if not text:
        try:  # without the breaker: what only reads goes on
            redis_client().setrange(keys.PROBE, 0, "")
        except UNREACHABLE as error:
            raise ConnectionError(answer_of(error)) from error
    return [Alert("failed", text, "New jobs are kept.", url="/readyz", action="What answers")] if text else []


def _full() -> list[Alert]:
    """Places where jobs can keep nothing, or soon: their work fails, and is tried again until there is room."""
    found = []
    for name, folder in disk.places().items():
        if trouble := disk.trouble(name, folder):
            advice = "Files cannot be taken in, and jobs that make some are tried again for about an hour."
            found.append(Alert("failed", trouble, advice, url="/readyz", action="What answers"))
        elif nearly := disk.warning(folder, name):
            found.append(Alert("retrying", f"{nearly[0].upper()}{nearly[1:]}."))
    # Two places on one disk are one trouble.
    return list({alert.what: alert for alert in found}.values())


def _served_queues() -> set[str]:
    """The queues that some worker listens to which is still heard."""
    return {queue for record in workers.records() if not record.is_silent for queue in record.queues}


def _paused(paused: dict[str, Pause], now: datetime) -> list[Alert]:
    """Paused queues in which something waits: somebody may have forgotten them."""
    found = []
    for queue, pause in paused.items():
        if count := capped(waiting_now(now).filter(queue=queue)):
            by = f" by {pause.by}" if pause.by else ""
            found.append(
                Alert(
                    "retrying", f"The queue {queue} is paused{by}: {counted(count)} waiting.", since=pause.since,
                    url=reverse("queue-act", args=[queue, "resume"]), action="Resume",
                    at_once=True,
                )
            )  # fmt: skip
    return found


def _unserved(served: set[str], now: datetime) -> list[Alert]:
    found = []
    for queue in POOLS:
        if queue in served or not (count := capped(waiting_now(now).filter(queue=queue))):
            continue
        since = waiting_since(now).get(queue)
        waits = f", oldest {words.duration(now - since)}" if since else ""
        found.append(
            Alert(
                "retrying",
                f"No worker listens to {queue}: {counted(count)} waiting{waits}.",
                f"Run manage.py worker {queue}.",
                url=page_url("workers"),
                action="Workers & queues",
            )
        )
    return found


def _overdue(now: datetime) -> list[Alert]:
    late = Schedule.objects.filter(next_run_at__lt=now - timedelta(seconds=ON_TIME), task__enabled=True)
    first = late.order_by("next_run_at").first()
    if first is None:
        return []
    count = late[: CAP + 1].count()
    return [
        Alert(
            "retrying", f"{counted(count)} {'schedule is' if count == 1 else 'schedules are'} overdue.",
            "Run manage.py scheduler.", since=first.next_run_at, url=page_url("schedules"), action="Schedules",
        )
    ]  # fmt: skip


def _cannot_start() -> list[Alert]:
    """One warning for all of them; the page of each says why."""
    in_code = [
        Alert("failed", f"The schedule {name} of the code cannot be taken over: {why}.", "Change it there.")
        for name, why in list(unusable().items())[:3]
    ]
    troubled = Schedule.objects.filter(task__enabled=True).exclude(trouble="").order_by("task__name")
    first = troubled.select_related("task").first()
    if first is None:
        return in_code
    count = troubled[: CAP + 1].count()
    if count == 1:
        what = f"The schedule {first.task.name} cannot start its jobs: {first.trouble[:200]}"
        return [*in_code, Alert("failed", what, url=first.get_absolute_url(), action="See it")]
    names = ", ".join(troubled.values_list("task__name", flat=True)[:3])
    what = f"{counted(count)} schedules cannot start their jobs: {names}{' …' if count > 3 else ''}."
    return [*in_code, Alert("failed", what, url=page_url("schedules"), action="See them")]


def _failures(now: datetime) -> list[Alert]:
    failed = failed_since(now - RECENT, CAP + 1)
    count = capped(failed)
    if not count:
        return []
    noun = "job" if count == 1 else "jobs"
    first = failed.order_by("created", "seq").first()
    return [
        Alert(
            "failed", f"{counted(count)} {noun} failed in 24 hours.", since=first.created if first else None,
            url=page_url("failures") or f"{page_url('jobs')}?q=state:failed", action="See them",
        )
    ]  # fmt: skip
