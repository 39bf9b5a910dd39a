"""Which runs start when: the rule's times without a skipped one and those of a pause, each late by its own jitter."""

import hashlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from celery import current_app

from jobs.models import Schedule
from jobs.schedules import rules

log = logging.getLogger(__name__)

#: Celery's own clean-up of results, which stock beat puts into the table by itself.
CLEANUP = "celery.backend_cleanup"
#: [s] of lateness up to which a run counts as on time.
ON_TIME = 60.0
#: [s] of jitter at the most, whatever is stored.
MOST_JITTER = 86_400
_MOMENT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Run:
    """slot: its time by the rule, which its job carries; at: when it starts."""

    slot: datetime
    at: datetime


def runs(schedule: Schedule, moment: datetime, anchor: datetime | None = None) -> Iterator[Run]:
    """All that start after `moment`, in order, switched off or not; stored or not. Raises what rules.UNUSABLE names.

    anchor: a slot that intervals are counted from, by default the last that ran.
    """
    task, jitter = schedule.task, _jitter(schedule)
    after = moment - timedelta(seconds=jitter)
    if schedule.paused_until:
        after = max(after, schedule.paused_until - _MOMENT)
    for slot, following in _with_following(rules.runs_after(task, after, anchor), needed=jitter > 0):
        if slot == schedule.skipped or (slot <= moment and task.last_run_at and slot <= task.last_run_at):
            continue  # the second: it ran, with less jitter than it would have now
        at = slot + _lateness(schedule, slot, following)
        if at > moment:
            yield Run(slot, at)


def _jitter(schedule: Schedule) -> float:
    """[s] by which a run may be late: never up to the one behind it, so no more slots are gone through than that."""
    most = min(schedule.jitter, MOST_JITTER)
    every = schedule.task.interval
    return min(most, every.schedule.run_every.total_seconds()) if every and most else most


def _with_following(slots: Iterator[datetime], *, needed: bool) -> Iterator[tuple[datetime, datetime | None]]:
    """Each with the one behind it, where that is needed."""
    slot = next(slots, None)
    while slot is not None:
        following = next(slots, None) if needed else None
        yield slot, following
        slot = following if needed else next(slots, None)


def _lateness(schedule: Schedule, slot: datetime, following: datetime | None) -> timedelta:
    """The same for the same slot, whoever asks; never up to the run that follows, nor beyond the end."""
    if not (jitter := _jitter(schedule)):
        return timedelta()
    ends = [end for end in (following, schedule.task.expires) if end]
    most = min([timedelta(seconds=jitter), *(end - slot for end in ends)])
    digest = hashlib.sha256(f"{schedule.task.name} {slot.timestamp():.0f}".encode()).digest()
    return timedelta(seconds=int(most.total_seconds() * int.from_bytes(digest[:4]) / 2**32))


def is_needless(task: Any) -> bool:
    """Of the clean-up of results: whether the backend lets them expire by itself, so that there is nothing to do."""
    return task.task == CLEANUP and bool(current_app.backend.supports_autoexpire)


def first_run(schedule: Schedule, now: datetime) -> Run | None:
    """Of a schedule that stock beat or nobody has run so far, as stock beat begins with it: what was missed since its
    last run, or since it was made, starts at once, and intervals are counted on from then."""
    task = schedule.task
    since = task.last_run_at or task.date_changed or now
    if task.one_off and task.total_run_count:
        return None  # it has run, and only that was not written down yet
    run = next_run(schedule, min(since, now))
    if run is None or run.at > now:
        return run
    if task.expires and task.expires <= now:
        return None
    return Run(now, now) if task.interval else run


def next_run(schedule: Schedule, moment: datetime, anchor: datetime | None = None) -> Run | None:
    """The first after `moment`; None where there is none, it is off, or the rule cannot be used, which is logged."""
    if not schedule.task.enabled or is_needless(schedule.task):
        return None
    try:
        return next(runs(schedule, moment, anchor), None)
    except rules.UNUSABLE as error:
        log.error("the schedule %r has a rule that cannot be used: %s", schedule.task.name, error)
        return None


def is_slot(schedule: Schedule, moment: datetime) -> bool:
    """Whether the rule has a run just then."""
    try:
        return next(rules.runs_after(schedule.task, moment - _MOMENT, schedule.slot), None) == moment
    except rules.UNUSABLE:
        return False


def upcoming(schedule: Schedule, now: datetime) -> Iterator[Run]:
    """What will start: the stored run is the truth about the first, the rule tells those that follow it."""
    first = planned(schedule)
    if first is None:
        yield from runs(schedule, now)
    else:
        yield first
        if not schedule.task.one_off:
            yield from runs(schedule, max(now, first.at), first.slot)


def planned(schedule: Schedule) -> Run | None:
    """The stored next run."""
    if schedule.next_run_at is None or schedule.slot is None:
        return None
    return Run(schedule.slot, schedule.next_run_at)


def missed(schedule: Schedule, now: datetime) -> list[Run]:
    """Of the runs from the stored one up to `now` the newest, oldest first: as many as the schedule makes up for."""
    first, most = planned(schedule), schedule.misfire_limit
    if first is None or schedule.task.one_off:
        return [first] if first else []
    back = timedelta(hours=1)
    while True:  # as far back as it takes: of a run each second, a month holds millions
        since = max(first.at, now - back)
        found = list(takewhile(lambda run: run.at <= now, runs(schedule, since, first.slot)))
        if since == first.at:
            return [first, *found][-most:]
        if len(found) >= most:
            return found[-most:]
        back *= 2


def turn(schedule: Schedule, now: datetime) -> tuple[datetime | None, Run | None]:
    """Of a schedule whose stored run is due: the slot to start now, None for none, and the run that is planned next."""
    first = planned(schedule)
    assert first is not None
    slot, following = first.slot, None
    if schedule.misfire == "all":
        try:
            made_up = missed(schedule, now)
            slot, following = made_up[0].slot, made_up[1] if len(made_up) > 1 else None
        except rules.UNUSABLE:
            pass  # told below
    if following is None and not schedule.task.one_off:
        following = next_run(schedule, now, slot)
    too_late = schedule.misfire == "skip" and now - first.at > timedelta(seconds=ON_TIME)
    return (None if too_late else slot), following
