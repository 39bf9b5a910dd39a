"""Tokens: keys for programs. Each person sees, makes and revokes their own; operators revoke anybody's."""

from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from jobs.core.access import is_operator
from jobs.models import ApiToken, AuditEntry

_SCOPES = [
    ("read", "Read: look at jobs and fetch what they made"),
    ("write", "Write: also submit, cancel and retry"),
    ("admin", "Admin: all that you may do yourself"),
]
_LIFETIMES = [("30", "30 days"), ("90", "90 days"), ("365", "1 year"), ("", "Never")]


class TokenForm(forms.Form):
    name = forms.CharField(
        max_length=100,
        help_text="The program that will use it.",
        widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off"}),
    )
    scope = forms.ChoiceField(
        choices=_SCOPES, initial="write", label="May", widget=forms.Select(attrs={"class": "input"})
    )
    lifetime = forms.ChoiceField(
        choices=_LIFETIMES, initial="90", required=False, label="Expires", widget=forms.Select(attrs={"class": "input"})
    )

    def clean_lifetime(self) -> timedelta | None:
        days = self.cleaned_data["lifetime"]
        return timedelta(days=int(days)) if days else None


def tokens_of(user: Any) -> QuerySet[ApiToken]:
    """What `user` may see here: their own tokens, as an operator everybody's; not those that were revoked."""
    found = ApiToken.objects.filter(revoked=None).select_related("user").order_by("-created", "-pk")
    return found if is_operator(user) else found.filter(user=user)


@login_required
@never_cache
@require_http_methods(["GET", "POST"])
def tokens(request: HttpRequest) -> HttpResponse:
    """The list; POST makes a token and shows its text this one time."""
    form = TokenForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        return _page(request, TokenForm(), _made(request, form.cleaned_data))
    return _page(request, form, status=422 if form.is_bound else 200)


def _made(request: HttpRequest, data: dict[str, Any]) -> dict[str, str]:
    expires = timezone.now() + data["lifetime"] if data["lifetime"] else None
    token, text = ApiToken.make(request.user, data["name"], data["scope"], expires)
    AuditEntry.record(request.user, "create token", target=str(token)[:200], via="form", scope=token.scope)
    return {"name": token.name, "text": text}


def _page(request: HttpRequest, form: TokenForm, made: dict[str, str] | None = None, status: int = 200) -> HttpResponse:
    context = {"tokens": tokens_of(request.user)[:500], "form": form, "made": made, "now": timezone.now()}
    return render(request, "jobs/tokens.html", context, status=status)


@login_required
@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """End a token at once. Saving it makes every web process forget it (jobs.web.live.signals)."""
    token = get_object_or_404(tokens_of(request.user), pk=pk)
    token.revoked = timezone.now()
    token.save(update_fields=["revoked"])
    AuditEntry.record(request.user, "revoke token", target=str(token)[:200], via="form")
    messages.success(request, f"{token.name} is revoked: programs that use it are refused from now on.")
    return redirect("tokens")


urlpatterns = [
    path("tokens", tokens, name="tokens"),
    path("tokens/<int:pk>/revoke", revoke, name="token-revoke"),
]
