"""Who calls: the user behind a bearer token, or behind the browser's session."""

from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.http import HttpRequest, HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware
from django.utils import timezone

from jobs.core.access import allows, is_admitted
from jobs.models import ApiToken
from jobs.web.api.problem import Problem
from jobs.web.api.remembered import tokens

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
#: What a session may do: all that its user may.
SESSION_SCOPE = "admin"
_USED_EVERY = timedelta(minutes=1)


class _CsrfCheck(CsrfViewMiddleware):
    """Django's check, answering the reason of a refusal instead of a page."""

    def _reject(self, request: HttpRequest, reason: str) -> Any:
        return reason


def authenticate(request: HttpRequest, needed: str) -> None:
    """Set `request.user` to the caller, who must hold scope `needed`. Raises Problem 401 or 403."""
    header = request.headers.get("Authorization", "")
    if header:
        scope = _by_token(request, header)
    elif getattr(request, "user", None) is not None and request.user.is_authenticated:
        _enforce_csrf(request)
        scope = SESSION_SCOPE
    else:
        raise _unauthorized("Log in, or send a token: Authorization: Bearer TOKEN.")
    if not is_admitted(request.user):
        raise Problem(403, "This console is for the staff of the site.")
    if not allows(scope, needed):
        raise Problem(
            403,
            f"This token's scope is {scope!r}; the call needs {needed!r}.",
            headers={"WWW-Authenticate": f'Bearer realm="jobsite", error="insufficient_scope", scope="{needed}"'},
        )


def _by_token(request: HttpRequest, header: str) -> str:
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise _unauthorized("The Authorization header must read: Bearer TOKEN.")
    token = tokens.find(ApiToken.hash_of(text.strip()), _look_up)
    if token is None:
        raise _unauthorized("This token is unknown.")
    if not token.is_valid:
        raise _unauthorized(f"This token {_why_invalid(token)}.")
    request.user = token.user
    return token.scope


def _look_up(hashed: str) -> ApiToken | None:
    token = ApiToken.objects.select_related("user").filter(hash=hashed).first()
    if token is not None and token.is_valid:
        note_use(token)
    return token


def note_use(token: ApiToken) -> None:
    """Remember the use, once a minute at most: a poll must not cost a write."""
    now = timezone.now()
    if token.last_used is None or now - token.last_used > _USED_EVERY:
        stale = Q(last_used=None) | Q(last_used__lt=now - _USED_EVERY)
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used=now)


def _why_invalid(token: ApiToken) -> str:
    if token.revoked:
        return "has been revoked"
    if token.expires and token.expires <= timezone.now():
        return f"expired on {token.expires:%Y-%m-%d %H:%M} UTC"
    return "belongs to a user who has been switched off"


def _unauthorized(detail: str) -> Problem:
    return Problem(401, detail, headers={"WWW-Authenticate": 'Bearer realm="jobsite"'})


def _unexempt(request: HttpRequest) -> HttpResponseBase:
    """Stands for the view, which is exempt from the middleware's check, and not from this one."""
    raise NotImplementedError


def _enforce_csrf(request: HttpRequest) -> None:
    if request.method in SAFE_METHODS:
        return
    check = _CsrfCheck(lambda request: None)  # type: ignore[arg-type]
    check.process_request(request)
    if reason := check.process_view(request, _unexempt, (), {}):
        raise Problem(403, f"{reason} A page sends it as the header X-CSRFToken; a program uses a token instead.")
