"""Pages that only operators have: for others they do not exist."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse

from jobs.core.access import is_operator

View = Callable[..., HttpResponse]


def operators_only(view: View) -> View:
    """Led to the login where nobody is signed in; not found for whoever is no operator."""

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not is_operator(request.user):
            raise Http404("Operators can see this.")
        return view(request, *args, **kwargs)

    return login_required(checked)
