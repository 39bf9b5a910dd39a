"""What the raw admins share: quick on a million rows, and no door for changes that the keeper would not know of."""

from typing import Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString


class BoundedPaginator(Paginator):
    """Counts no further than a reader would page."""

    most = 10_000

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return rows[: self.most].count()


class ReadOnlyAdmin(admin.ModelAdmin):
    """Shows rows and changes none: state is the keeper's to write. No counts of whole tables."""

    show_full_result_count = False
    list_per_page = 50
    paginator = BoundedPaginator
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def link(url: str, text: Any) -> SafeString:
    return format_html('<a href="{}">{}</a>', url, text)
