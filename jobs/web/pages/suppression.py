"""The suppression list: addresses that no mailing writes to; operators add, find and remove them."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods, require_POST

from jobs.kinds._email import suppression
from jobs.kinds._email.addresses import bare
from jobs.models import Suppression
from jobs.web.forms import dressed, plain_spoken
from jobs.web.pages.operators import operators_only

PAGE = 50
#: Addresses of one paste.
MOST = 50_000


class AddForm(forms.Form):
    addresses = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "autocomplete": "off"}),
        help_text=f"Paste up to {MOST:,}, with lines, commas or semicolons between.",
    )
    reason = forms.CharField(max_length=200, required=False, help_text="Such as “unsubscribed” or “bounced”.")

    def clean_addresses(self) -> list[str]:
        try:
            addresses = bare(self.cleaned_data["addresses"])
        except ValueError as error:
            raise ValidationError(str(error)) from error
        if len(addresses) > MOST:
            raise ValidationError(f"{len(addresses):,} addresses: at most {MOST:,} are taken at a time.")
        return addresses


@operators_only
@require_http_methods(["GET", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The list, newest first; POST adds to it."""
    form = plain_spoken(AddForm(request.POST if request.method == "POST" else None))
    if form.is_bound and form.is_valid():
        given = form.cleaned_data["addresses"]
        added = suppression.add(given, form.cleaned_data["reason"], request.user)
        known = len(given) - added
        messages.success(
            request, f"{_addresses(added)} added." + (f" {known:,} stood on the list already." if known else "")
        )
        return redirect("suppression")
    return render(request, "jobs/suppression.html", _context(request, form), status=422 if form.is_bound else 200)


def _context(request: HttpRequest, form: forms.Form) -> dict[str, Any]:
    query = request.GET.get("q", "").strip()[:320]
    before = request.GET.get("before", "")
    found = Suppression.objects.select_related("added_by").order_by("-pk")
    if query:
        found = found.filter(address__startswith=query.casefold())
    rows = list((found.filter(pk__lt=int(before)) if before.isdecimal() and len(before) < 19 else found)[: PAGE + 1])
    here = reverse("suppression")
    given = {"q": query} if query else {}
    return {
        "form": dressed(form),
        "rows": rows[:PAGE],
        "query": query,
        "newer": f"{here}?{urlencode(given)}" if before else "",
        "older": f"{here}?{urlencode({**given, 'before': rows[PAGE - 1].pk})}" if len(rows) > PAGE else "",
    }


@operators_only
@require_POST
def remove(request: HttpRequest, pk: int) -> HttpResponse:
    """Let an address be written to again."""
    row = get_object_or_404(Suppression, pk=pk)
    suppression.remove([row.address], request.user)
    messages.success(request, f"{row.address} is off the list: mailings write to it again.")
    return redirect("suppression")


def _addresses(number: int) -> str:
    return "1 address" if number == 1 else f"{number:,} addresses"


urlpatterns = [
    path("suppression-list", page, name="suppression"),
    path("suppression-list/<int:pk>/remove", remove, name="suppression-remove"),
]
