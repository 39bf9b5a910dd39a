"""Jobs, their attempts and files, as they are stored."""

import json

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from jobs.models import Artifact, Attempt, Job
from jobs.web.admin.plain import ReadOnlyAdmin, link


@admin.register(Job)
class JobAdmin(ReadOnlyAdmin):
    list_display = ("title", "kind", "state", "owner", "queue", "attempt", "created", "finished_at", "open_in_jobsite")
    list_filter = ("state",)
    list_select_related = ("owner",)
    search_fields = ("=id",)
    search_help_text = "A job's whole id. Jobsite's own page Jobs searches by words."
    ordering = ("-seq",)
    fields = (
        "open_in_jobsite", "id", "title", "kind", "is_kind", "owner", "via", "queue", "priority", "parameters", "state",
        "attempt", "max_attempts", "first_attempt", "assumed", "worker", "outcome", "error_type", "error", "created",
        "due_at", "published_at", "started_at", "finished_at", "changed", "next_check_at", "cancel_requested_at",
        "came_of", "from_schedule", "slot", "attempts_link",
    )  # fmt: skip
    readonly_fields = fields

    @admin.display(description="Jobsite")
    def open_in_jobsite(self, job: Job) -> SafeString:
        return link(job.get_absolute_url(), "Open in Jobsite")

    @admin.display(description="parameters")
    def parameters(self, job: Job) -> SafeString:
        """As stored, secrets masked."""
        return format_html("<pre>{}</pre>", json.dumps(job.masked_params, indent=2, ensure_ascii=False))

    @admin.display(description="rerun of")
    def came_of(self, job: Job) -> SafeString | str:
        return link(job.rerun_of.get_absolute_url(), job.rerun_of.title) if job.rerun_of else "-"

    @admin.display(description="schedule")
    def from_schedule(self, job: Job) -> SafeString | str:
        if not job.schedule:
            return "-"
        url = reverse("admin:django_celery_beat_periodictask_change", args=[job.schedule.task_id])
        return link(url, job.schedule.task.name)

    @admin.display(description="attempts")
    def attempts_link(self, job: Job) -> SafeString:
        url = reverse("admin:jobs_attempt_changelist")
        return link(f"{url}?job__seq__exact={job.seq}", "Show its attempts")


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
    list_display = ("job", "number", "state", "worker", "started_at", "finished_at", "error_type")
    list_filter = ("state",)
    list_select_related = ("job",)
    search_fields = ("=job__id",)
    search_help_text = "A job's whole id."
    ordering = ("-pk",)

    def lookup_allowed(self, lookup: str, value: str, request: object = None) -> bool:
        return lookup == "job__seq__exact" or super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]


@admin.register(Artifact)
class ArtifactAdmin(ReadOnlyAdmin):
    list_display = ("name", "size", "content_type", "is_input", "job", "owner", "created")
    list_select_related = ("job", "owner")
    search_fields = ("=id", "=job__id")
    search_help_text = "A file's or a job's whole id."
    ordering = ("-created",)
