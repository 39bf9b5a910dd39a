"""The door of the console: who has an account in a project is not thereby let in (core/access.py)."""

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.urls import URLPattern

from jobs.core.access import is_admitted


def for_the_admitted(patterns: Iterable[URLPattern]) -> list[URLPattern]:
    """The same pages, each refused (403) to those who are logged in and not admitted."""
    found = list(patterns)
    for pattern in found:
        pattern.callback = _refusing(pattern.callback)
    return found


def _refusing(view: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.user.is_authenticated and not is_admitted(request.user):
            raise PermissionDenied("This console is for the staff of the site.")
        return view(request, *args, **kwargs)

    return guarded
