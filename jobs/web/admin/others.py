"""Tokens, the audit and django-celery-results, raw."""

from typing import Any
from urllib.parse import quote

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.safestring import SafeString
from django_celery_results.models import GroupResult, TaskResult

from jobs.core.states import State
from jobs.models import ApiToken, AuditEntry, Suppression
from jobs.web.admin.plain import ReadOnlyAdmin, link

admin.site.site_header = "Jobsite: administration"
admin.site.site_title = "Jobsite"
admin.site.index_title = "Everything that is stored"
admin.site.unregister(TaskResult)
admin.site.unregister(GroupResult)


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin):
    """Without the hash. Tokens are made and revoked on Jobsite's page, where every process hears of it."""

    list_display = ("name", "user", "scope", "created", "last_used", "expires", "revoked")
    list_select_related = ("user",)
    fields = ("name", "user", "scope", "created", "last_used", "expires", "revoked", "open_in_jobsite")
    readonly_fields = fields
    ordering = ("-created", "-pk")

    @admin.display(description="Jobsite")
    def open_in_jobsite(self, token: ApiToken) -> SafeString:
        return link(reverse("tokens"), "Open in Jobsite")


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    list_display = ("at", "user", "action", "target", "job", "via")
    list_select_related = ("user", "job")
    search_fields = ("=job__id", "=user__username")
    search_help_text = "A job's whole id, or a user's whole name."
    ordering = ("-pk",)


@admin.register(Suppression)
class SuppressionAdmin(ReadOnlyAdmin):
    """Addresses are added and removed on Jobsite's page, from where workers hear of it at once."""

    list_display = ("address", "reason", "added_at", "added_by", "open_in_jobsite")
    list_select_related = ("added_by",)
    search_fields = ("address__startswith",)
    ordering = ("-pk",)

    @admin.display(description="Jobsite")
    def open_in_jobsite(self, row: Suppression) -> SafeString:
        return link(f"{reverse('suppression')}?q={quote(row.address)}", "Open in Jobsite")


class ResultAdmin(ReadOnlyAdmin):
    """No date hierarchy and no filters by value: each would read the whole table."""

    ordering = ("-date_done",)


class ByState(admin.SimpleListFilter):
    """Celery's states, known without asking the table which there are."""

    title = parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(state.value, state.value) for state in State if state != State.LOST]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(status=self.value()) if self.value() else queryset


@admin.register(TaskResult)
class TaskResultAdmin(ResultAdmin):
    list_display = ("task_id", "task_name", "status", "worker", "date_done", "open_in_jobsite")
    list_filter = (ByState,)
    search_fields = ("=task_id",)
    search_help_text = "A task's whole id."

    @admin.display(description="Jobsite")
    def open_in_jobsite(self, result: TaskResult) -> SafeString | str:
        try:
            return link(reverse("job", args=[result.task_id]), "Open in Jobsite")
        except NoReverseMatch:
            return "-"


@admin.register(GroupResult)
class GroupResultAdmin(ResultAdmin):
    list_display = ("group_id", "date_done")
    search_fields = ("=group_id",)
