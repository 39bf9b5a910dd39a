"""The form of a schedule beside its kind's own: name, rule, time zone, span; for the page, the admin and the API."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask

from jobs.core import priorities
from jobs.core.errors import Refused
from jobs.core.moment import WITHIN
from jobs.models import Schedule
from jobs.models.schedule import MISFIRE_CHOICES, OVERLAP_CHOICES
from jobs.schedules import rules
from jobs.schedules.plan import runs
from jobs.schedules.rows import shared
from jobs.schedules.target import Target
from jobs.submit.terms import queue_for

CRON, EVERY, ONCE, KEEP = "cron", "every", "once", "keep"
#: The priority that the task itself has, since the schedule names none.
OWN = "own"
PERIODS = [(name, name) for name in ("seconds", "minutes", "hours", "days")]
_LONGEST = timedelta(days=3660)
_FIRST, _LAST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_TIMES = ("at", "start", "end", "paused_until")
_CRON_EXAMPLE = (
    "Expected minute, hour, day of month, month, day of week, such as 30 2 * * 1-5 for 02:30 from Monday to Friday; "
    "0 is Sunday."
)


class ScheduleForm(forms.Form):
    """How and when a schedule runs. Times without an offset are those of the chosen time zone."""

    name = forms.CharField(max_length=200, help_text="What lists and its jobs are called.")
    rule = forms.ChoiceField(
        label="Runs", choices=[(CRON, "by cron"), (EVERY, "every so often"), (ONCE, "once")], initial=CRON,
        widget=forms.RadioSelect,
    )  # fmt: skip
    cron = forms.CharField(
        required=False, max_length=400, help_text="Minute, hour, day of month, month, day of week: 30 2 * * 1-5"
    )
    every = forms.IntegerField(required=False, min_value=1, max_value=400_000_000)
    period = forms.ChoiceField(label="Unit", required=False, choices=PERIODS, initial="minutes")
    at = forms.DateTimeField(label="Runs at", required=False)
    timezone = forms.ChoiceField(label="Time zone", required=False, help_text="Of the cron rule and the times here.")
    jitter = forms.IntegerField(
        label="Spread over", required=False, min_value=0, max_value=86_400, initial=0,
        help_text="Seconds. Each run starts up to so much later, so that not all schedules start at once.",
    )  # fmt: skip
    overlap = forms.ChoiceField(
        label="If still running", choices=OVERLAP_CHOICES, initial="allow", required=False,
        help_text="A run's time comes while a job of this schedule is not finished.",
    )  # fmt: skip
    misfire = forms.ChoiceField(
        label="If missed", choices=MISFIRE_CHOICES, initial="once", required=False,
        help_text="A run's time passed while no scheduler ran.",
    )  # fmt: skip
    misfire_limit = forms.IntegerField(
        label="Make up for at most", required=False, min_value=1, max_value=100, initial=10,
        help_text="The newest so many of the missed runs.",
    )  # fmt: skip
    start = forms.DateTimeField(label="From", required=False, help_text="No run before it.")
    end = forms.DateTimeField(label="Until", required=False, help_text="No run after it.")
    enabled = forms.BooleanField(label="On", required=False, initial=True)
    paused_until = forms.DateTimeField(
        label="Paused until", required=False, help_text="No run before it; then it goes on by itself."
    )
    priority = forms.ChoiceField(
        choices=[(name, name.capitalize()) for name in priorities.BY_NAME], initial="normal", required=False
    )
    queue = forms.CharField(required=False, max_length=100, help_text="Empty: the usual one.")
    description = forms.CharField(required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 2}))

    def __init__(self, data: Any = None, *, target: Target, user: Any = None, task: PeriodicTask | None = None,
                 initial: Mapping[str, Any] | None = None, prefix: str | None = None):  # fmt: skip
        super().__init__(data, prefix=prefix, initial={**(initial_of(task) if task else {}), **(initial or {})})
        self.target, self.user, self.task = target, user, task
        zones = self.fields["timezone"]
        zones.choices = [(name, name) for name in zone_names()]  # type: ignore[attr-defined]
        zones.initial = settings.TIME_ZONE
        if task is not None and (kept := _priority_kept(task, target)):
            self.fields["priority"].choices = [*self.fields["priority"].choices, kept]  # type: ignore[attr-defined]
            self.initial["priority"] = kept[0]
        if self.initial.get("rule") == KEEP:
            self.fields["rule"].choices = [(KEEP, "as it is"), *self.fields["rule"].choices]  # type: ignore[attr-defined]

    def full_clean(self) -> None:
        with timezone.override(self._zone()):
            super().full_clean()

    def _zone(self) -> ZoneInfo:
        name = self.data.get(self.add_prefix("timezone")) if self.is_bound else ""
        return ZoneInfo(str(name) if name in zone_names() else settings.TIME_ZONE)

    def clean_name(self) -> str:
        name = self.cleaned_data["name"]
        others = PeriodicTask.objects.exclude(pk=self.task.pk) if self.task else PeriodicTask.objects.all()
        if others.filter(name=name).exists():
            raise ValidationError("Another schedule has this name. Choose one of its own.")
        return name

    def clean_queue(self) -> str:
        queue = self.cleaned_data["queue"].strip()
        if queue and self.target.kind:
            try:
                return queue_for(self.target.kind, queue, self.user)
            except Refused as refused:
                raise ValidationError(refused.errors["queue"]) from refused
        return queue

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for name in _TIMES:
            if data.get(name) and not _FIRST <= data[name] < _LAST:
                self.add_error(name, f"{WITHIN[0].upper()}{WITHIN[1:]}.")
        if data.get("start") and data.get("end") and data["end"] <= data["start"]:
            self.add_error("end", "This is before the start: choose a later time.")
        if data.get("paused_until") and data["paused_until"] <= timezone.now():
            self.add_error("paused_until", "This has passed. Choose a time to come.")
        check = {CRON: self._check_cron, EVERY: self._check_every, ONCE: self._check_once}.get(data.get("rule", ""))
        if check:
            check(data)
        if data.get("rule") == KEEP and self.initial["cron"] and self._zone().key != self.initial["timezone"]:
            text = f"The cron rule stays as it is, in {self.initial['timezone']}. Give it too, to change its time zone."
            self.add_error("timezone", text)
        if self.shows_its_rule:
            self._check_it_runs()
        return data

    def _check_cron(self, data: dict[str, Any]) -> None:
        parts = data.get("cron", "").split()
        if len(parts) != 5:
            self.add_error("cron", f"A cron rule has five fields, not {len(parts)}. {_CRON_EXAMPLE}"
                           if parts else f"Fill this in. {_CRON_EXAMPLE}")  # fmt: skip
            return
        minute, hour, day, month, weekday = parts
        rule = CrontabSchedule(
            minute=minute, hour=hour, day_of_month=day, month_of_year=month, day_of_week=_sunday_is_0(weekday),
            timezone=ZoneInfo(data.get("timezone") or settings.TIME_ZONE),
        )  # fmt: skip
        try:
            for name in rules.CRON_FIELDS:
                if len(getattr(rule, name)) > CrontabSchedule._meta.get_field(name).max_length:
                    raise ValueError(f"{name.replace('_', ' ')} is too long")
            rules.check_cron(rule)
            data["crontab"] = rule
        except rules.NeverRuns as error:
            self.add_error("cron", str(error))
        except ValueError as error:
            text = str(error)
            if text.startswith("day of week"):
                text = text.replace(repr(rule.day_of_week), repr(weekday))  # as it was typed
            self.add_error("cron", f"This cannot be read: {text[:200].rstrip('.')}. {_CRON_EXAMPLE}")

    def _check_every(self, data: dict[str, Any]) -> None:
        if data.get("every") is None:
            if "every" not in self.errors:
                self.add_error("every", "Fill this in: a whole number from 1.")
        elif timedelta(**{data.get("period") or "minutes": data["every"]}) > _LONGEST:
            self.add_error("every", "At most ten years lie between two runs.")

    def _check_once(self, data: dict[str, Any]) -> None:
        if data.get("at"):
            moved = self.task is None or not self.task.clocked or self.task.clocked.clocked_time != data["at"]
            if moved and data["at"] <= timezone.now():
                self.add_error("at", "This has passed. Choose a time to come.")
        elif "at" not in self.errors:
            self.add_error("at", "Say when: a day and a time.")

    def _check_it_runs(self) -> None:
        """A rule that is switched on and has no run left is refused where the reason is."""
        planned = self.planned()
        if self.cleaned_data.get("rule") == KEEP:
            return
        if not planned.task.enabled or next(runs(planned, timezone.now()), None):
            return
        data, planned.paused_until = self.cleaned_data, None
        if data["paused_until"] and next(runs(planned, timezone.now()), None):
            self.add_error("paused_until", "There is no run left after this: choose an earlier time.")
        else:
            name = "end" if data.get("end") else "at" if data.get("rule") == ONCE else "rule"
            self.add_error(name, "There is no run left before this: choose a later time, or switch the schedule off.")

    @property
    def shows_its_rule(self) -> bool:
        """Whether `planned` can be asked: nothing that the next runs depend on is wrong."""
        return not set(self.errors) & {"__all__", "rule", "cron", "every", "period", "timezone", "jitter", *_TIMES}

    @property
    def terms(self) -> dict[str, Any]:
        """What the Schedule beside the task keeps; a field that was not sent has its default."""
        data = self.cleaned_data
        return {
            "overlap": data.get("overlap") or "allow",
            "misfire": data.get("misfire") or "once",
            "misfire_limit": data.get("misfire_limit") or self.fields["misfire_limit"].initial,
            "jitter": data.get("jitter") or 0,
            "paused_until": data.get("paused_until"),
        }

    def planned(self) -> Schedule:
        """The schedule as it would be stored, with rules that are not; for runs and words. See `shows_its_rule`."""
        data = self.cleaned_data
        now = timezone.now().replace(microsecond=0)
        task = PeriodicTask(
            name=data.get("name", ""), task=self.target.task, enabled=data.get("enabled", True),
            start_time=data.get("start"), expires=data.get("end"), one_off=data["rule"] == ONCE, date_changed=now,
        )  # fmt: skip
        if self.task and self.task.interval and self.initial.get("every") == data.get("every"):
            # As it is stored, intervals are counted on from where they are.
            task.last_run_at, task.date_changed = self.task.last_run_at, self.task.date_changed
        stored = getattr(self.task, "jobsite", None)
        if data["rule"] == CRON:
            task.crontab = data["crontab"]
        elif data["rule"] == EVERY:
            task.interval = IntervalSchedule(every=data["every"], period=data["period"] or "minutes")
        elif data["rule"] == ONCE:
            task.clocked = ClockedSchedule(clocked_time=data["at"])
        elif self.task:
            task.crontab, task.interval, task.solar = self.task.crontab, self.task.interval, self.task.solar
            task.one_off = self.task.one_off
        return Schedule(task=task, skipped=stored.skipped if stored else None, **self.terms)

    def apply(self, task: PeriodicTask) -> None:
        """Write everything but the parameters into a PeriodicTask, not saved. Rules are shared rows, never changed."""
        data = self.cleaned_data
        task.name, task.task, task.enabled, task.description = (
            data["name"], self.target.task, data["enabled"], data["description"],
        )  # fmt: skip
        task.start_time, task.expires = data["start"], data["end"]
        task.queue = data["queue"] or None
        if data["priority"] != OWN:
            named = data["priority"] or "normal"
            task.priority = priorities.BY_NAME[named] if named in priorities.BY_NAME else int(named)
        if task.expires:
            task.expire_seconds = None
        if data["rule"] == KEEP:
            return
        task.crontab = task.interval = task.clocked = task.solar = None
        task.one_off = data["rule"] == ONCE
        if data["rule"] == CRON:
            task.crontab = shared(CrontabSchedule, **{
                name: getattr(data["crontab"], name) for name in (*rules.CRON_FIELDS, "timezone")
            })  # fmt: skip
        elif data["rule"] == EVERY:
            task.interval = shared(IntervalSchedule, every=data["every"], period=data["period"] or "minutes")
        else:
            task.clocked = shared(ClockedSchedule, clocked_time=data["at"])


def _sunday_is_0(weekdays: str) -> str:
    """Cron also calls Sunday 7, which Celery does not know; a range that ends on it goes round to 0."""
    whole = re.sub(r"(?<![/\w])(0+|sun(day)?)-0*7(?!\w)", "0-6", weekdays, flags=re.IGNORECASE)
    return re.sub(r"(?<![/\w])0*7(?!\w)", "0", whole)


def priority_name(task: PeriodicTask) -> str:
    """One of the four names; or the number, which Celery lets be from 0 to 255."""
    return "normal" if task.priority is None else priorities.NAMES.get(task.priority, str(task.priority))


def _priority_kept(task: PeriodicTask, target: Target) -> tuple[str, str] | None:
    """The further choice that leaves a priority as it is which is none of the four."""
    if task.priority is None:
        return None if target.kind else (OWN, "the task's own")
    name = priority_name(task)
    return None if name in priorities.BY_NAME else (name, f"{name}, as it is")


@cache
def zone_names() -> tuple[str, ...]:
    return tuple(sorted(available_timezones() - {"localtime"}))


def initial_of(task: PeriodicTask) -> dict[str, Any]:
    """A stored schedule as the form's values; times are local to its zone."""
    zone = rules.zone_of(task)
    rule = CRON if task.crontab else ONCE if task.clocked else EVERY if task.interval else KEEP
    if rule != ONCE and (task.one_off or (rule == EVERY and task.interval.period not in dict(PERIODS))):
        rule = KEEP  # here a cron rule and an interval repeat, and an interval has one of these units
    kept = getattr(task, "jobsite", None) or Schedule()
    paused = kept.paused_until if kept.paused_until and kept.paused_until > timezone.now() else None
    return {
        "name": task.name,
        "rule": rule,
        "cron": rules.cron_line(task.crontab) if task.crontab else "",
        "every": task.interval.every if task.interval and rule == EVERY else None,
        "period": task.interval.period if task.interval and rule == EVERY else "minutes",
        "at": _local(task.clocked.clocked_time, zone) if task.clocked else None,
        "timezone": zone.key,
        "start": _local(task.start_time, zone),
        "end": _local(task.expires, zone),
        **{name: getattr(kept, name) for name in ("jitter", "overlap", "misfire", "misfire_limit")},
        "enabled": task.enabled,
        "paused_until": _local(paused, zone),
        "priority": priority_name(task),
        "queue": task.queue or "",
        "description": task.description,
    }


def _local(moment: datetime | None, zone: ZoneInfo) -> datetime | None:
    return moment.astimezone(zone).replace(tzinfo=None) if moment else None
