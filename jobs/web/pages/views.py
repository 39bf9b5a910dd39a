"""Saved views of the page Jobs: a filter under a name, each user's own."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import NON_FIELD_ERRORS
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import path, reverse
from django.views.decorators.http import require_POST

from jobs.browse.filters import JobFilter
from jobs.models import SavedView
from jobs.web.pages import asked

MOST = 50


class ViewForm(forms.ModelForm):
    """name: saved again under it, a view is replaced. query: what the page Jobs was asked for."""

    def __init__(self, data: Any, user: Any):
        super().__init__(data)
        self.user = user

    class Meta:
        model = SavedView
        fields = ("name", "query")

    def clean_query(self) -> str:
        query = QueryDict(self.cleaned_data["query"])
        if not JobFilter(query, viewer=self.user).is_valid():
            raise forms.ValidationError("This search cannot be understood; mend it first.")
        return urlencode(asked.given(query))

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        theirs = SavedView.objects.filter(user=self.user)
        if theirs.count() >= MOST and not theirs.filter(name=data.get("name")).exists():
            raise forms.ValidationError(f"{MOST} views are the most: delete one first.")
        return data


def views_of(user: Any, given: dict[str, str]) -> list[dict[str, Any]]:
    """A user's views by name, that of the present filter marked."""
    here = urlencode(given)
    views = SavedView.objects.filter(user=user.pk).order_by("name")
    return [{"view": view, "url": f"{reverse('jobs')}?{view.query}", "current": view.query == here} for view in views]


@login_required
@require_POST
def save(request: HttpRequest) -> HttpResponse:
    user: Any = request.user
    form = ViewForm(request.POST, user)
    if not form.is_valid():
        for name, texts in form.errors.items():
            field = "" if name == NON_FIELD_ERRORS else f"{name.capitalize()}: "
            messages.error(request, field + " ".join(str(text) for text in texts))
        return asked.back(request)
    name, query = form.cleaned_data["name"], form.cleaned_data["query"]
    SavedView.objects.update_or_create(user=user, name=name, defaults={"query": query})
    messages.success(request, f"Saved: {name}.")
    return HttpResponseRedirect(f"{reverse('jobs')}?{query}")


@login_required
@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    view = SavedView.objects.filter(user=request.user.pk, pk=pk).first() if pk < 2**63 else None
    if view is None:
        raise Http404(f"No view {pk}")
    view.delete()
    messages.success(request, f"Deleted: {view.name}. Its jobs stay.")
    return asked.back(request)


urlpatterns = [
    path("jobs/views", save, name="jobs-views"),
    path("jobs/views/<int:pk>/delete", delete, name="jobs-view-delete"),
]
