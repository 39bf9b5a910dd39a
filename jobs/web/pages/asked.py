"""What the address of the page Jobs asks for: the parameters of its filter, and addresses made of them."""

from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

_PARAMETERS = ("state", "kind", "queue", "owner", "q", "since", "until")


def given(parameters: QueryDict) -> dict[str, str]:
    """The parameters of the filter, without empty ones."""
    return {name: value for name in _PARAMETERS if (value := parameters.get(name, "").strip())}


def url(asked: dict[str, str], page: str = "jobs", **changes: Any) -> str:
    parameters = {name: value for name, value in {**asked, **changes}.items() if value}
    return reverse(page) + ("?" + urlencode(parameters) if parameters else "")


def back(request: HttpRequest) -> HttpResponse:
    """To the page that a form names as the one it stands on."""
    to = request.POST.get("back", "")
    return HttpResponseRedirect(to if url_has_allowed_host_and_scheme(to, None) else reverse("jobs"))
