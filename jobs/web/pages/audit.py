"""The page Audit: who did what to what, newest first."""

import json
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.views.decorators.http import require_safe

from jobs.core.redaction import masked
from jobs.models import AuditEntry
from jobs.web.pages.operators import operators_only

PAGE = 50
#: Entries that one page looks through where a filter leaves few of them.
WINDOW = 20_000
#: User name that stands for what Jobsite did by itself.
NOBODY = "Jobsite"


class AuditFilter(forms.Form):
    """Owns the parameters user, action and before (the place that a page begins after)."""

    user = forms.CharField(required=False, max_length=150, label="Who")
    action = forms.CharField(required=False, max_length=40, label="Did")
    before = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput)

    def clean_user(self) -> Any:
        """The user's primary key; None for Jobsite itself; "" for anybody."""
        name = self.cleaned_data["user"].strip()
        if not name:
            return ""
        if name.lower() == NOBODY.lower():
            return None
        model = get_user_model()
        found = model._default_manager.filter(**{model.USERNAME_FIELD: name}).values_list("pk", flat=True).first()
        if found is None:
            raise forms.ValidationError(f"There is no user “{name}”. What happened by itself is under {NOBODY}.")
        return found

    def entries(self) -> QuerySet[AuditEntry]:
        """Newest first, all that the filter finds. Call it on a valid form."""
        found = AuditEntry.objects.select_related("user", "job").defer("job__params", "job__search").order_by("-pk")
        data = self.cleaned_data
        if data["user"] != "":
            found = found.filter(user=data["user"])
        if data["action"]:
            found = found.filter(action=data["action"].strip())
        return found.filter(pk__lt=data["before"]) if data["before"] else found


@operators_only
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    form = AuditFilter(request.GET)
    entries, older, looked_back_to = _page(form) if form.is_valid() else ([], None, None)
    given = {name: value for name in ("user", "action") if (value := request.GET.get(name, "").strip())}
    here = reverse("audit")
    context = {
        "form": form,
        "rows": [{"entry": entry, "detail": _detail(entry)} for entry in entries],
        "older": f"{here}?{urlencode({**given, 'before': older})}" if older else "",
        "newer": f"{here}?{urlencode(given)}" if form.is_bound and request.GET.get("before") else "",
        "looked_back_to": looked_back_to,
        "given": given,
        "verbs": _verbs(),
    }
    return render(request, "jobs/audit.html", context)


def _page(form: AuditFilter) -> tuple[list[AuditEntry], int | None, Any]:
    """Entries, where the next page begins, and how far back was looked where that was not to the beginning.

    Numbers of entries grow by one: a range of them bounds what a rare filter has to read.
    """
    newest = (
        form.cleaned_data["before"]
        or (AuditEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0) + 1
    )
    end = newest - WINDOW
    rows = list(form.entries().filter(pk__gte=end)[: PAGE + 1])
    if len(rows) > PAGE:
        return rows[:PAGE], rows[PAGE - 1].pk, None
    stopped = AuditEntry.objects.filter(pk__lt=end).order_by("-pk").first()
    return rows, (end if stopped else None), (stopped.at if stopped else None)


def _verbs() -> list[str]:
    """What has been done lately, for the field's suggestions."""
    recent = AuditEntry.objects.order_by("-pk").values("pk")[:1000]
    return sorted(AuditEntry.objects.filter(pk__in=recent).order_by().values_list("action", flat=True).distinct())


def _detail(entry: AuditEntry) -> str:
    return json.dumps(masked(entry.detail), indent=2, ensure_ascii=False, default=str) if entry.detail else ""


urlpatterns = [path("audit", page, name="audit")]
