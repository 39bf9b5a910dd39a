"""Cancel, retry and rerun many jobs: those selected on the page Jobs, or all that a filter finds.

All are taken piece by piece: a request works for a second and answers how far it got, with a token to go on from
there. The script of the page goes on by itself until somebody stops it; without scripts a button does.
"""

import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_http_methods, require_POST

from jobs import submit
from jobs.browse.counts import Count, counts_of
from jobs.browse.filters import JobFilter, Query
from jobs.browse.page import Cursor, listed, page
from jobs.core.access import may_change
from jobs.core.errors import Conflict, OverQuota, Refused
from jobs.core.states import FINAL, UNFINISHED, State
from jobs.models import AuditEntry, Job
from jobs.web.pages import asked

#: Jobs of one action on all; and selected ones, which are done before the page answers.
MOST, MOST_SELECTED = 10_000, 200
#: [s] that one request works for, and [s] for which its token is good.
PIECE, TOKEN_LASTS = 1.0, 86_400
#: Different reasons that are told for jobs that were left alone.
MOST_REASONS = 10
SALT = "jobs.bulk"


@dataclass(frozen=True)
class Action:
    verb: str
    doing: str
    #: What becomes of it, for the page that asks.
    about: str
    states: frozenset[State]


ACTIONS = {
    "cancel": Action("Cancel", "Cancelling", "Jobs that wait end at once; a worker stops those that run.", UNFINISHED),
    "retry": Action(
        "Retry", "Starting again", "Failed and cancelled jobs start again, with one attempt more.",
        frozenset({State.FAILURE, State.REVOKED}),
    ),
    "rerun": Action("Rerun", "Running anew", "Each job that has ended is submitted once more, as a new job.", FINAL),
}  # fmt: skip
#: Stored states as the filter names them, in the order that jobs go through them: what moves on meanwhile is met again.
_NAMED = {
    State.PENDING: "PENDING", State.STARTED: "running", State.RETRY: "retrying",
    State.FAILURE: "failed", State.REVOKED: "cancelled", State.SUCCESS: "succeeded",
}  # fmt: skip


@dataclass
class Walk:
    """An action on all jobs of a filter, and how far it has got."""

    #: Primary key, as text.
    user: str
    action: str
    #: The filter as an address has it.
    query: str
    #: How many there were when it began, MOST at the most.
    expected: int
    #: What came later than this place is left alone.
    start: str
    id: str = field(default_factory=lambda: uuid4().hex)
    #: Which of the action's states is walked through, and from where.
    state: int = 0
    cursor: str = ""
    looked: int = 0
    #: What became of how many; and why others were left alone.
    done: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    is_over: bool = False

    @property
    def token(self) -> str:
        return signing.dumps(asdict(self), salt=SALT, compress=True)

    @classmethod
    def parse(cls, token: str, user: Any) -> "Walk":
        """Raises signing.BadSignature for what was not handed to this user."""
        walk = cls(**signing.loads(token, salt=SALT, max_age=TOKEN_LASTS))
        if walk.user != str(user.pk):
            raise signing.BadSignature("somebody else's")
        return walk

    @property
    def does(self) -> Action:
        return ACTIONS[self.action]

    @property
    def told(self) -> str:
        return told(self.done, self.left)

    @property
    def is_cut(self) -> bool:
        """There may be more than are taken at a time."""
        return self.looked >= MOST

    def add(self, outcome: str, reason: str) -> None:
        self.looked += 1
        if outcome:
            self.done[outcome] = self.done.get(outcome, 0) + 1
        else:
            known = reason if reason in self.left or len(self.left) < MOST_REASONS else "Other reasons."
            self.left[known] = self.left.get(known, 0) + 1


def carry_out(action: str, job: Job, user: Any, key: str | None = None) -> tuple[str, str]:
    """What became of the job, "cancelled" or the like; or "" and why it was left alone.

    key: with the same one, a job is rerun once. Raises OverQuota.
    """
    if not may_change(user, job.owner_id):
        return "", "It is not yours."
    try:
        if action == "cancel":
            job = submit.cancel(job, user, via="form")
            return ("cancelled" if job.state == State.REVOKED else "asked to stop"), ""
        if action == "retry":
            submit.retry(job, user, via="form")
            return "started again", ""
        if job.state not in FINAL:
            return "", "It has not ended yet."
        submit.rerun(job, user, via="form", idempotency_key=key)
        return "submitted anew", ""
    except (Conflict, Refused) as refusal:
        return "", str(refusal)


def told(done: dict[str, int], left: dict[str, int]) -> str:
    """312 cancelled, 4 left alone."""
    parts = [f"{number:,} {outcome}" for outcome, number in done.items()]
    if left:
        parts.append(f"{sum(left.values()):,} left alone")
    return ", ".join(parts) or "Nothing so far"


@login_required
@require_POST
def selected(request: HttpRequest) -> HttpResponse:
    """Act on the ticked jobs."""
    action, ids = request.POST.get("action", ""), request.POST.getlist("id")[:MOST_SELECTED]
    jobs = Job.objects.filter(id__in=ids).select_related("owner")
    mine = [job for job in jobs if may_change(request.user, job.owner_id)]
    if action not in ACTIONS or not mine:
        messages.warning(request, "Nothing was selected.")
        return asked.back(request)
    done: Counter[str] = Counter()
    left: Counter[str] = Counter()
    key = request.POST.get("key", "")[:64]
    for job in mine:
        try:
            outcome, reason = carry_out(action, job, request.user, f"{key}-{job.pk}" if key else None)
        except OverQuota as full:
            outcome, reason = "", str(full)
        (done if outcome else left)[outcome or reason] += 1
    if done:
        messages.success(request, f"{told(done, {})}.")
    for reason, number in left.most_common(MOST_REASONS):
        messages.warning(request, f"{number:,} left alone: {reason}")
    return asked.back(request)


@login_required
@require_http_methods(["GET", "POST"])
def everything(request: HttpRequest) -> HttpResponse:
    """How many jobs of a filter can be acted on; by POST the action, piece by piece."""
    if request.method == "GET":
        return _ask(request)
    try:
        walk = Walk.parse(request.POST.get("token", ""), request.user)
    except signing.BadSignature:
        messages.warning(request, "This page is too old to go on from. What was done stays done.")
        return asked.back(request)
    _go_on(walk, request.user)
    return _show(request, "jobs/bulk_walk.html", "jobs/parts/bulk_walk.html", walk=walk, query=walk.query)


def _ask(request: HttpRequest) -> HttpResponse:
    given = asked.given(request.GET)
    form = JobFilter(request.GET, viewer=request.user)
    if not form.is_valid():
        return HttpResponseRedirect(asked.url(given))
    newest = listed().order_by("-created", "-seq").first()
    start = str(Cursor(newest.created, newest.seq + 1)) if newest else ""
    who, query = str(request.user.pk), urlencode(given)
    choices = [
        {"action": ACTIONS[name], "count": count, "walk": Walk(who, name, query, number, start)}
        for name in ACTIONS
        if (count := _count(name, form.query)) and (number := min(count.number, MOST))
    ]
    return _show(request, "jobs/bulk.html", "jobs/bulk.html", choices=choices, query=query, terms=form.terms)


def _show(request: HttpRequest, whole: str, part: str, *, query: str, **context: Any) -> HttpResponse:
    template = part if request.headers.get("HX-Request") else whole
    given = asked.given(QueryDict(query))
    addresses = {"back": asked.url(given), "again": asked.url(given, "jobs-all")}
    return render(request, template, {**context, **addresses, "most": MOST})


def _states(action: str, query: Query) -> list[str]:
    """The states that jobs of this query can have so that the action applies."""
    states = ACTIONS[action].states
    if query.state:
        return [query.state] if query.equal["state"] in states else []
    return [name for state, name in _NAMED.items() if state in states]


def _count(action: str, query: Query) -> Count:
    counts = counts_of([query.replace(state=state) for state in _states(action, query)], MOST)
    number = sum(count.number for count in counts)
    return Count(min(number, MOST), number > MOST or any(count.more for count in counts))


def _go_on(walk: Walk, user: Any) -> None:
    """Work for PIECE seconds, or to the end."""
    form = JobFilter(QueryDict(walk.query), viewer=user)
    states = _states(walk.action, form.query) if form.is_valid() else []
    if not (walk.looked or walk.state or walk.cursor):
        AuditEntry.record(user, f"{walk.action} all", target=walk.query[:200], via="form", matching=walk.expected)
    until = time.monotonic() + PIECE
    try:
        while walk.looked < MOST and walk.state < len(states):
            _one_page(walk, form.query.replace(state=states[walk.state]), user, until)
            if time.monotonic() >= until:
                break
    except OverQuota as full:
        walk.left[str(full)] = walk.left.get(str(full), 0) + 1
        walk.is_over = True
    walk.is_over = walk.is_over or walk.looked >= MOST or walk.state >= len(states)


def _one_page(walk: Walk, query: Query, user: Any, until: float) -> None:
    """The next jobs of one state. The place is kept after each, so that a token never repeats more than it must."""
    found = page(query, walk.cursor or walk.start, min(100, MOST - walk.looked))
    whole = Job.objects.select_related("owner").in_bulk([job.pk for job in found.jobs])
    for job in found.jobs:
        if job.pk in whole:
            walk.add(*carry_out(walk.action, whole[job.pk], user, f"{walk.id}-{job.pk}"))
        walk.cursor = str(Cursor(job.created, job.seq))
        if time.monotonic() >= until:
            return
    if found.next:
        walk.cursor = found.next
    else:
        walk.state, walk.cursor = walk.state + 1, ""


urlpatterns = [
    path("jobs/act", selected, name="jobs-act"),
    path("jobs/all", everything, name="jobs-all"),
]
