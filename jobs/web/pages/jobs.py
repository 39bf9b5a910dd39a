"""The page Jobs: state chips, search, keyset pages, rows that follow their jobs."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET

from jobs.browse import qualifiers
from jobs.browse.counts import Count, by_state, counts_of
from jobs.browse.filters import JobFilter
from jobs.browse.page import Cursor, Page, listed, newer_than, page
from jobs.core.access import is_operator, may_see
from jobs.core.errors import Refused
from jobs.core.registry import kinds_for
from jobs.core.states import SHOWN
from jobs.web.pages import asked
from jobs.web.pages.columns import chosen, offered
from jobs.web.pages.rows import rows_of
from jobs.web.pages.views import views_of

#: Rows of a fragment at most.
MOST_ROWS = 200


@dataclass(frozen=True)
class Chip:
    state: str
    label: str
    url: str
    current: bool
    count: Count | None = None


@login_required
@require_GET
def jobs(request: HttpRequest) -> HttpResponse:
    form, given = JobFilter(request.GET, viewer=request.user), asked.given(request.GET)
    try:
        found = page(form.query, request.GET.get("cursor", "")) if form.is_valid() else Page()
    except Refused:
        return HttpResponseRedirect(asked.url(given))  # a cursor of an older version: begin at the newest
    rows, reachable = rows_of(found.jobs)
    chips = _chips(form, given)
    at_newest = not request.GET.get("cursor")
    context = {
        "form": form,
        "errors": [_coded(str(text)) for texts in form.errors.values() for text in texts],
        "rows": rows,
        "reachable": reachable,
        "operator": is_operator(request.user),
        **_states(chips, given),
        "columns": chosen(request.user),
        "offered": offered(request.user),
        "views": views_of(request.user, given),
        "asked": urlencode(given),
        "matching": sum((chip.count for chip in chips if chip.count and (chip.current or chips[0].current)), Count(0)),
        "all_url": asked.url(given, "jobs-all"),
        "key": uuid4().hex,
        "kinds": kinds_for(request.user),
        "kind": form.terms.get("kind", "") if form.is_valid() else "",
        "hidden": {name: value for name, value in given.items() if name not in ("q", "kind")},
        "older": found.next and asked.url(given, cursor=found.next),
        "newer": found.previous and asked.url(given, cursor=found.previous),
        "searched_back_to": found.searched_back_to,
        "is_asked": bool(given),
        "counts_url": reverse("jobs-counts") + "?" + urlencode({**given, "newest": _newest(found)})
        if at_newest
        else "",
        "here": request.get_full_path(),
        "export_url": reverse("new-kind", args=["export"]) + ("?" + urlencode(given) if given else ""),
    }
    if form.is_valid() and not rows and given:
        context["hint"] = _hint(form, given)
    return render(request, "jobs/jobs.html", context)


@login_required
@require_GET
def rows(request: HttpRequest) -> HttpResponse:
    """The named rows as they are now, for those on an open page."""
    ids = request.GET.getlist("id")[:MOST_ROWS]
    seen = [job for job in listed().filter(id__in=ids) if may_see(request.user, job.owner_id)]
    return render(request, "jobs/parts/job_rows.html", {"rows": rows_of(seen)[0], "columns": chosen(request.user)})


@login_required
@require_GET
def counts(request: HttpRequest) -> HttpResponse:
    """The chips as they are now, and how many jobs are newer than the page's first."""
    form = JobFilter(request.GET, viewer=request.user)
    if not form.is_valid():
        return HttpResponse(status=204)
    given = asked.given(request.GET)
    try:
        new = newer_than(form.query, request.GET.get("newest", ""))
    except Refused:
        new = 0
    context = {**_states(_chips(form, given), given), "new": new, "most": new >= 100, "here": asked.url(given)}
    return render(request, "jobs/parts/job_chips.html", context)


def _coded(text: str) -> SafeString:
    """What stands between backticks as code."""
    parts = enumerate(text.split("`"))
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", part) if at % 2 else part,) for at, part in parts)
    )


def _chips(form: JobFilter, given: dict[str, str]) -> list[Chip]:
    """All, and each state with its count; a chip takes the place of a `state:` in the search."""
    current = form.query.state if form.is_valid() else ""
    others = _other_than_state(given)
    numbers = by_state(form.query) if form.is_valid() else {}
    chips = [Chip("", "All", asked.url(others), not current)]
    for key, word in SHOWN.items():
        if key != "lost":
            chips.append(Chip(key, word, asked.url(others, state=key), key == current, numbers.get(key)))
    return chips


def _other_than_state(given: dict[str, str]) -> dict[str, str]:
    left = {name: value for name, value in given.items() if name != "state"}
    return {**left, "q": qualifiers.without(given.get("q", ""), "state")}


def _states(chips: list[Chip], given: dict[str, str]) -> dict[str, Any]:
    """The chips, and what a form that chooses among them sends along."""
    return {"chips": chips, "other": {name: value for name, value in _other_than_state(given).items() if value}}


def _newest(found: Page) -> str:
    """The place of the page's first job, for counting those that come after."""
    return str(Cursor(found.jobs[0].created, found.jobs[0].seq, newer=True)) if found.jobs else ""


def _hint(form: JobFilter, given: dict[str, str]) -> dict[str, Any] | None:
    """Which one condition to leave out, and how many jobs there would be: the one that gives most."""
    empty = {"state": "", "kind": "", "queue": "", "since": None, "until": None, "id": "", "owner": None, "q": ()}
    fields = {"id": "id_prefix", "q": "words"}
    terms = [name for name in form.terms if name in empty and (name != "owner" or is_operator(form.viewer))]
    if len(terms) < 2:
        return None
    looser = [form.query.replace(**{fields.get(name, name): empty[name]}) for name in terms]
    best = max(zip(terms, counts_of(looser), strict=True), key=lambda pair: pair[1].number)
    name, count = best
    if not count.number:
        return None
    left = {key: value for key, value in given.items() if key != name}
    search = given.get("q", "")
    if name == "q":
        kept = qualifiers.split(search)[0]
        left["q"] = qualifiers.without(" ".join(f'{key}:"{value}"' for key, value in kept.items()))
    else:
        left["q"] = qualifiers.without(search, name)
    term = form.terms[name] if name == "q" else f"{name}:{form.terms[name]}"
    return {"term": term, "count": count, "one": count.number == 1, "url": asked.url(left)}


urlpatterns = [
    path("jobs", jobs, name="jobs"),
    path("jobs/rows", rows, name="jobs-rows"),
    path("jobs/counts", counts, name="jobs-counts"),
]
