"""PeriodicTask in Django's admin: the kinds by name, each with its own form; the rule checked and told in words."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from django_celery_beat.admin import CrontabScheduleAdmin
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from jobs.core.errors import Conflict, OverQuota, Refused
from jobs.models import Schedule
from jobs.schedules import editor as work
from jobs.schedules.fire import run_now
from jobs.schedules.outlook import outlook
from jobs.schedules.reckon import reckon
from jobs.schedules.rules import CRON_FIELDS, cron_in_words, cron_line, zone_of
from jobs.schedules.target import edited_target_of, target_of
from jobs.web import words
from jobs.web.admin.plain import link
from jobs.web.pages.schedule_rows import rows_of
from jobs.web.schedule_form import asked_target, choices, dress, editor_for

#: Next runs that the form shows.
NEXT = 5

admin.site.unregister([PeriodicTask, CrontabSchedule])


@admin.register(CrontabSchedule)
class CrontabAdmin(CrontabScheduleAdmin):
    """As django-celery-beat's, but for its words, which say of */90 that it runs every 90 minutes."""

    list_display = ("__str__", "in_words")
    fields = ("in_words", *CRON_FIELDS, "timezone")
    readonly_fields = ("in_words",)

    @admin.display(description="in words")
    def in_words(self, rule: CrontabSchedule) -> str:
        try:
            return cron_in_words(rule)
        except ValueError:
            return cron_line(rule)


@admin.register(PeriodicTask)
class PeriodicTaskAdmin(admin.ModelAdmin):
    """The stored truth of schedules; Jobsite's own page shows the same."""

    list_display = ("name", "starts", "rule_in_words", "next_run", "last_run", "enabled", "open_in_jobsite")
    list_filter = ("enabled",)
    list_select_related = ("jobsite", "crontab", "interval", "clocked", "solar")
    list_per_page = 50
    search_fields = ("name", "task")
    ordering = ("name",)
    actions = ("run", "skip", "pause", "resume")

    # --- the list

    @admin.display(description="starts", ordering="task")
    def starts(self, task: PeriodicTask) -> str:
        return target_of(task).label

    @admin.display(description="when")
    def rule_in_words(self, task: PeriodicTask) -> str:
        seen = outlook(schedule_of(task), count=1)
        return f"{seen.words}, {seen.zone}"

    @admin.display(description="next run", ordering="jobsite__next_run_at")
    def next_run(self, task: PeriodicTask) -> str:
        if not task.enabled:
            return "paused"
        runs = outlook(schedule_of(task), count=1).runs
        return _moment(runs[0]) if runs else "none left"

    @admin.display(description="last run")
    def last_run(self, task: PeriodicTask) -> SafeString | str:
        job = schedule_of(task).jobs.order_by("-seq").first()
        if job is None:
            return "never ran"
        return link(job.get_absolute_url(), f"{words.exact(job.created, zone=False)}, {job.shown_word.lower()}")

    @admin.display(description="Jobsite")
    def open_in_jobsite(self, task: PeriodicTask) -> SafeString:
        return link(schedule_of(task).get_absolute_url(), "Open in Jobsite")

    @admin.action(description="Run selected schedules now", permissions=["change"])
    def run(self, request: HttpRequest, queryset: "QuerySet[PeriodicTask]") -> None:
        for task in queryset:
            self._run(request, schedule_of(task))

    @admin.action(description="Pause selected schedules", permissions=["change"])
    def pause(self, request: HttpRequest, queryset: "QuerySet[PeriodicTask]") -> None:
        self._switch(request, queryset, on=False)

    @admin.action(description="Resume selected schedules", permissions=["change"])
    def resume(self, request: HttpRequest, queryset: "QuerySet[PeriodicTask]") -> None:
        self._switch(request, queryset, on=True)

    def _switch(self, request: HttpRequest, queryset: "QuerySet[PeriodicTask]", *, on: bool) -> None:
        for task in queryset:
            work.switch(schedule_of(task), on, request.user, "form")
        self.message_user(request, f"{len(queryset)} {'resumed' if on else 'paused'}.", messages.SUCCESS)

    def _run(self, request: HttpRequest, schedule: Schedule) -> None:
        try:
            job = run_now(schedule, request.user)
        except (Refused, OverQuota, ValueError) as error:
            self.message_user(request, f"{schedule.task.name} could not start: {error}", messages.ERROR)
        else:
            self.message_user(request, link(job.get_absolute_url(), f"Started: {job.title}"), messages.SUCCESS)

    @admin.action(description="Skip the next run of selected schedules", permissions=["change"])
    def skip(self, request: HttpRequest, queryset: "QuerySet[PeriodicTask]") -> None:
        for task in queryset:
            self._skip(request, schedule_of(task), on=True)

    def _skip(self, request: HttpRequest, schedule: Schedule, *, on: bool) -> None:
        try:
            if on:
                slot = work.skip_next(schedule, request.user, "form")
                told = f"skips the run of {_moment(slot.astimezone(zone_of(schedule.task)))}"
            else:
                work.unskip(schedule, request.user, "form")
                told = "skips no run"
        except Conflict as conflict:
            self.message_user(request, f"{schedule.task.name}: {conflict}", messages.ERROR)
        else:
            self.message_user(request, f"{schedule.task.name} {told}.", messages.SUCCESS)

    # --- the form

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:  # fmt: skip
        """Choosing what to start, then the form of just that; without scripts each choice loads the page anew."""
        task = get_object_or_404(PeriodicTask, pk=unquote(object_id)) if object_id else None
        allowed = self.has_change_permission(request, task) if task else self.has_add_permission(request)
        if not (allowed or (task and request.method == "GET" and self.has_view_permission(request, task))):
            raise PermissionDenied
        schedule = schedule_of(task) if task else None
        if schedule and (answer := self._act(request, schedule)):
            return answer
        target = asked_target(request) or (edited_target_of(task) if task else None)
        if target is None:
            return self._page(request, "choose", {**choices(), "title": "Add schedule"})
        editor = editor_for(request, target, schedule)
        if request.method == "POST" and editor.is_valid() and "_check" not in request.POST:
            return self._saved(request, editor)
        return self._form(request, editor, changeable=allowed)

    def _act(self, request: HttpRequest, schedule: Schedule) -> HttpResponse | None:
        """The buttons beside the form: they leave unsaved changes aside."""
        if "_run" in request.POST:
            self._run(request, schedule)
        elif "_skip" in request.POST or "_unskip" in request.POST:
            self._skip(request, schedule, on="_skip" in request.POST)
        elif "_pause" in request.POST or "_resume" in request.POST:
            on = "_resume" in request.POST
            work.switch(schedule, on, request.user, "form")
            self.message_user(request, f"{schedule.task.name} is {'on' if on else 'paused'}.", messages.SUCCESS)
        else:
            return None
        return redirect(request.get_full_path())

    def _saved(self, request: HttpRequest, editor: work.Editor) -> HttpResponse:
        new = editor.schedule is None
        saved = editor.save(request.user, "form")
        log = self.log_addition if new else self.log_change
        log(request, saved.task, "Saved through the schedule's form.")
        self.message_user(request, f"{saved.task.name} is saved.", messages.SUCCESS)
        if "_continue" in request.POST:
            return redirect("admin:django_celery_beat_periodictask_change", saved.task_id)
        return redirect("admin:django_celery_beat_periodictask_changelist")

    def _form(self, request: HttpRequest, editor: work.Editor, *, changeable: bool) -> HttpResponse:
        context = {
            **dress(request, editor),
            **choices(),
            "title": "Change schedule" if editor.schedule else f"Add schedule: {editor.target.label}",
            "changeable": changeable,
            "row": rows_of([editor.schedule])[0] if editor.schedule else None,
            "next_count": NEXT,
            "original": editor.schedule.task if editor.schedule else None,
        }
        invalid = request.method == "POST" and not editor.is_valid()
        return self._page(request, "form", context, 422 if invalid else 200)

    def _page(self, request: HttpRequest, name: str, context: dict[str, Any], status: int = 200) -> HttpResponse:
        whole = {**self.admin_site.each_context(request), "opts": self.opts, **context}
        return TemplateResponse(request, f"admin/jobs/schedule_{name}.html", whole, status=status)

    # --- removing: each is told to the audit

    def delete_model(self, request: HttpRequest, obj: PeriodicTask) -> None:
        work.delete(schedule_of(obj), request.user, "form")

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[PeriodicTask]") -> None:
        for task in queryset:
            self.delete_model(request, task)


def schedule_of(task: PeriodicTask) -> Schedule:
    """The Schedule beside a task, made where something else stored the task behind our back."""
    found = getattr(task, "jobsite", None)
    return found if found is not None else reckon(task)


def _moment(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} {moment.tzname()}"
