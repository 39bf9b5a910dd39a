"""The theme that a user forces, kept in a cookie so that the first paint is right."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import path
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

THEMES = ("", "light", "dark")
YEAR = 31_536_000


@require_POST
def choose(request: HttpRequest) -> HttpResponse:
    back = request.headers.get("Referer", "")
    response = HttpResponseRedirect(back if url_has_allowed_host_and_scheme(back, {request.get_host()}) else "/")
    theme = request.POST.get("theme", "")
    if theme in THEMES:
        response.set_cookie("theme", theme, max_age=YEAR if theme else 0, samesite="Lax")
    return response


urlpatterns = [path("theme", choose, name="theme")]
