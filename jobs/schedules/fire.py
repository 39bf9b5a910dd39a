"""Starting the runs that are due: each becomes a job, once, whatever dies and however many schedulers run."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import DataError, IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from jobs.core.errors import Conflict
from jobs.core.outcome import clean
from jobs.core.states import UNFINISHED
from jobs.models import AuditEntry, Job, Schedule
from jobs.models.job import Via
from jobs.models.writing import write
from jobs.schedules.call import attempted, draft_of, refusal
from jobs.schedules.plan import first_run, turn
from jobs.schedules.reckon import set_run, update_rows, with_task
from jobs.submit import quota
from jobs.submit.submission import Draft, accept, insert_drafts, publish_now

#: Runs of one step, so that a long backlog leaves room for other writers.
BATCH = 100


@dataclass
class Turn:
    """What becomes of one schedule: its row as it is to be, and the job that it starts, if any."""

    schedule: Schedule
    #: What the row was when this was decided; another scheduler may have been faster.
    seen: tuple[datetime | None, datetime | None] = field(init=False)
    start: datetime | None = None
    draft: Draft | None = None
    refused: AuditEntry | None = None

    def __post_init__(self) -> None:
        self.seen = (self.schedule.slot, self.schedule.held)


def fire_due(now: datetime | None = None) -> int:
    """Start all runs that are due, up to BATCH; answers how many schedules were handled."""
    now = now or timezone.now()
    due = list(with_task(Schedule.objects.filter(next_run_at__lte=now).order_by("next_run_at"))[:BATCH])
    busy = _busy(due)
    _carry_out([_due(schedule, now, schedule.pk in busy) for schedule in due])
    return len(due)


def release_held() -> int:
    """Start the runs that were held back, up to BATCH, whose former run has ended; answers how many."""
    running = Job.objects.filter(schedule=OuterRef("pk"), state__in=UNFINISHED)
    free = list(with_task(Schedule.objects.filter(~Exists(running), held__isnull=False).order_by("held"))[:BATCH])
    _carry_out([_released(schedule) for schedule in free])
    return len(free)


def run_now(schedule: Schedule, user: Any = None, via: str = Via.FORM) -> Job:
    """Start the job at once, beside the planned runs. Raises Refused where it cannot be made, Conflict where one that
    is to be there once waits or runs, OverQuota."""
    owner = user or schedule.owner
    quota.check(owner, 1)
    made = draft_of(schedule, None, owner)
    try:
        accept(made)
    except IntegrityError as error:
        raise Conflict("A job that does the same waits or runs already.") from error
    AuditEntry.record(user, "run now", job=made.job, target=schedule.task.name, via=via)
    return made.job


def _busy(schedules: Iterable[Schedule]) -> set[int | None]:
    """Of those that care: the ones with an unfinished job."""
    asking = [schedule.pk for schedule in schedules if schedule.overlap != "allow"]
    if not asking:
        return set()
    unfinished = Job.objects.filter(schedule__in=asking, state__in=UNFINISHED)
    return set(unfinished.values_list("schedule", flat=True).distinct())


def _due(schedule: Schedule, now: datetime, busy: bool) -> Turn:
    decided = Turn(schedule)
    if schedule.slot and schedule.task.last_run_at and schedule.slot < schedule.task.last_run_at:
        # Stock beat has run it meanwhile, and hands over now.
        set_run(schedule, first_run(schedule, now))
        return decided
    slot, following = turn(schedule, now)
    set_run(schedule, following)
    if slot is None or not schedule.task.enabled:
        pass  # missed; or switched off behind our back
    elif schedule.held or (busy and schedule.overlap == "skip"):
        schedule.left_out += 1
    elif busy:
        schedule.held = slot
    else:
        _start(decided, slot)
    return decided


def _released(schedule: Schedule) -> Turn:
    decided, slot, schedule.held = Turn(schedule), schedule.held, None
    if schedule.task.enabled:
        _start(decided, slot)
    return decided


def _start(decided: Turn, slot: datetime | None) -> None:
    schedule = decided.schedule

    def make() -> None:
        quota.check(schedule.owner, 1)
        decided.draft = draft_of(schedule, slot, schedule.owner)

    if trouble := attempted(make):
        _refuse(decided, trouble)
    else:
        decided.start, schedule.left_out, schedule.trouble = slot, 0, ""


def _refuse(decided: Turn, trouble: str) -> None:
    """Told once, not at every run."""
    schedule = decided.schedule
    if schedule.trouble != trouble:
        schedule.trouble, decided.refused = trouble, refusal(schedule, trouble)


def _carry_out(turns: Sequence[Turn]) -> None:
    """Together, or where SQL refuses a job, each for itself."""
    try:
        _write(turns)
    except (IntegrityError, DataError) as error:
        if len(turns) > 1:
            for one in turns:
                _carry_out([one])
        elif turns[0].draft is not None:
            # The slot has its job already (a unique index says so), or one that is to be there once waits or runs;
            # or SQL cannot keep it: too long, half a letter.
            turns[0].draft = turns[0].start = None
            if isinstance(error, DataError):
                _refuse(turns[0], clean(error)[:1000])
            _write(turns)
        else:
            raise


def _write(turns: Sequence[Turn]) -> None:
    """The rows' changes and the jobs in one transaction: of two schedulers at the same slot one does both."""
    with write():
        rows = Schedule.objects.select_for_update().filter(pk__in=[each.schedule.pk for each in turns])
        stored = {pk: seen for pk, *seen in rows.values_list("pk", "slot", "held")}
        mine = [each for each in turns if stored.get(each.schedule.pk) == list(each.seen)]
        started = [each for each in mine if each.start]
        drafts = [each.draft for each in started if each.draft]
        insert_drafts(drafts)
        update_rows(Schedule, ["slot", "next_run_at", "held", "left_out", "trouble"], [each.schedule for each in mine])
        _count(started)
        for each in mine:
            if each.refused:
                each.refused.save(force_insert=True)
    transaction.on_commit(lambda: publish_now([each.job for each in drafts]))


def _count(started: Sequence[Turn]) -> None:
    """What stock django-celery-beat shows; through SQL, since a save would be taken for a change of the rule."""
    for each in started:
        each.schedule.task.last_run_at = each.start
    also = ("total_run_count = total_run_count + 1", "enabled = (enabled AND NOT one_off)")
    update_rows(PeriodicTask, ["last_run_at"], [each.schedule.task for each in started], also)
