"""Where passwords are asked for: Django's `authenticate`, which pages, admin and sign-in packages all go through, and
the old password of a change.
"""

from collections.abc import Callable
from typing import Any

from django.conf import global_settings, settings
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.contrib.auth.views import LoginView, PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from jobs.web.login import slowdown


class SlowedDown:
    """The first of AUTHENTICATION_BACKENDS: lets nobody in, and raises TooSoon where no password is looked at yet.

    It has no `get_user`, since `login` would otherwise take it for the backend that a session belongs to.
    """

    def authenticate(self, request: HttpRequest | None, username: str | None = None, **credentials: Any) -> None:
        name = username if username is not None else credentials.get(get_user_model().USERNAME_FIELD)
        if request is not None and isinstance(name, str) and "password" in credentials:
            slowdown.begin(request, name)


class SlowDown:
    """Middleware: answers 429 where a password came too soon, and knows a browser again in which somebody logged in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return slowdown.remember(request, self.get_response(request))

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return too_soon(request, error) if isinstance(error, slowdown.TooSoon) else None


def too_soon(request: HttpRequest, error: slowdown.TooSoon) -> HttpResponse:
    """429: says when to try again, to people and, as Retry-After, to programs."""
    context = {"seconds": error.seconds, "until": error.until, "again": request.get_full_path()}
    response = render(request, "jobs/login_wait.html", context, status=429)
    response.headers["Retry-After"] = str(error.seconds)
    return response


class LoginForm(AuthenticationForm):
    """Slows down also in a project that has not put the backend into its settings."""

    def clean(self) -> dict[str, Any]:
        if (name := self.cleaned_data.get("username")) and self.cleaned_data.get("password") and self.request:
            slowdown.begin(self.request, name)
        return super().clean()


class _Answers:
    """A view that answers as the middleware does, in a project without it."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return slowdown.remember(request, super().post(request, *args, **kwargs))  # type: ignore[misc]
        except slowdown.TooSoon as error:
            return too_soon(request, error)


class Login(_Answers, LoginView):
    form_class = LoginForm
    redirect_authenticated_user = True

    def get_default_redirect_url(self) -> str:
        """The console, where the project has no wish of its own: Django's default is a page that nobody has."""
        is_default = settings.LOGIN_REDIRECT_URL == global_settings.LOGIN_REDIRECT_URL
        return reverse("overview") if is_default else super().get_default_redirect_url()


class ChangeForm(PasswordChangeForm):
    """Whoever finds a session open could guess the password here: its old-password field counts as a login does."""

    def __init__(self, *args: Any, request: HttpRequest, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.request = request

    def clean_old_password(self) -> str:
        slowdown.begin(self.request, self.user.get_username(), "password change")
        try:
            old = super().clean_old_password()
        except ValidationError:
            slowdown.failed(self.request)
            raise
        slowdown.succeeded(self.request, self.user)
        return old


class PasswordChange(_Answers, PasswordChangeView):
    form_class = ChangeForm

    def get_form_kwargs(self) -> dict[str, Any]:
        return {**super().get_form_kwargs(), "request": self.request}


def _failed(request: HttpRequest | None = None, **_: Any) -> None:
    slowdown.failed(request)


def _logged_in(request: HttpRequest | None = None, user: Any = None, **_: Any) -> None:
    slowdown.succeeded(request, user)


def connect() -> None:
    user_login_failed.connect(_failed, dispatch_uid="jobs.login.failed")
    user_logged_in.connect(_logged_in, dispatch_uid="jobs.login.logged_in")
