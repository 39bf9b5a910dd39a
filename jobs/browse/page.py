"""Keyset pages of jobs, newest first. What a page costs does not depend on how many jobs there are.

An index leads to the rows where nothing is asked, one column, or state with kind or owner. Any other mix reads at
most `WINDOW` rows of the best of these indexes and says how far back it got.
"""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import F, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from jobs.browse import search
from jobs.browse.filters import Query
from jobs.core.errors import Refused
from jobs.models import Job

#: Rows that a page reads at most where no index serves the whole question; hits, where words are searched.
WINDOW, SEARCH_WINDOW = 20_000, 5_000
LIMIT, MOST = 50, 500

#: Columns that lists and programs' polls need. Parameters and search words stay where they are.
COLUMNS = (
    "seq", "id", "kind", "is_kind", "title", "owner_id", "via", "queue", "priority", "state", "attempt",
    "max_attempts", "worker", "outcome", "error_type", "error", "created", "due_at", "published_at", "started_at",
    "finished_at", "changed", "next_check_at", "cancel_requested_at", "blocked", "workflow_id",
)  # fmt: skip

#: What one index serves together with the order, best first: see Job.Meta.indexes.
_SERVED = (("owner", "state"), ("kind", "state"), ("owner",), ("kind",), ("queue",), ("state",), ())
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place between two jobs: those older than it follow, or with `newer` those newer."""

    created: datetime
    seq: int
    newer: bool = False

    def __str__(self) -> str:
        micros = (self.created - _EPOCH) // timedelta(microseconds=1)
        text = f"{'n' if self.newer else 'o'}{micros}.{self.seq}"
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    @classmethod
    def parse(cls, token: str) -> "Cursor":
        """Raises Refused for what no page has handed out."""
        try:
            # Strict: the lenient decoder skips what it does not know.
            padded = token.encode("ascii") + b"=" * (-len(token) % 4)
            text = base64.b64decode(padded, b"-_", validate=True).decode("ascii")
            micros, seq = text[1:].split(".")
            if text[0] not in "no" or not 0 <= int(seq) < 2**63:
                raise ValueError(token)
            return cls(_EPOCH + timedelta(microseconds=int(micros)), int(seq), text[0] == "n")
        except (ValueError, IndexError, OverflowError, binascii.Error):
            raise Refused(
                {"cursor": ["This is no cursor of ours: take `next` from a page, or leave it out."]}
            ) from None


@dataclass(frozen=True)
class Page:
    """Jobs, newest first. `next` leads to older ones, `previous` to newer ones; None where there are none."""

    jobs: list[Job] = field(default_factory=list)
    next: str | None = None
    previous: str | None = None
    #: Where the bounded search stopped before the page was full; `next` goes on from there.
    searched_back_to: datetime | None = None


def listed() -> QuerySet[Job]:
    """Jobs with the columns of lists, and their owner's name."""
    name = f"owner__{get_user_model().USERNAME_FIELD}"
    return Job.objects.select_related("owner").only(*COLUMNS, name)


def page(query: Query, cursor: str = "", limit: int = LIMIT) -> Page:
    """One page of the jobs that a query asks for. limit: 1 to 500. Raises Refused for a wrong cursor."""
    limit = max(1, min(limit, MOST))
    at = Cursor.parse(cursor) if cursor else None
    found = _search(query, at, limit) if query.words else _walk(query, at, limit)
    if at and at.newer and len(found.rows) <= limit:
        return page(query, "", limit)  # the newest page, and a full one
    rows = found.rows[:limit]
    if at and at.newer:
        rows.reverse()
    more = len(found.rows) > limit
    older = Cursor(rows[-1].created, rows[-1].seq) if rows else None
    return Page(
        rows,
        next=str(older) if older and (more or (at and at.newer)) else found.go_on(more),
        previous=str(Cursor(rows[0].created, rows[0].seq, newer=True)) if rows and at else None,
        searched_back_to=found.stopped.created if found.stopped and not more else None,
    )


def newer_than(query: Query, cursor: str, limit: int = 100) -> int:
    """How many jobs of a query are newer than the cursor's place ("" stands before the first), at most `limit`."""
    at = Cursor.parse(cursor) if cursor else Cursor(_EPOCH, 0, newer=True)
    return len((_search if query.words else _walk)(query, at, limit - 1).rows)


@dataclass
class _Found:
    #: At most limit + 1, in the direction of the cursor.
    rows: list[Job]
    #: Where the window ended, if it ended before the jobs did.
    stopped: Cursor | None = None

    def go_on(self, more: bool) -> str | None:
        return str(self.stopped) if self.stopped and not more else None


def _walk(query: Query, at: Cursor | None, limit: int) -> _Found:
    """Along an index, in the order of creation."""
    newer = bool(at and at.newer)
    order = ("created", "seq") if newer else ("-created", "-seq")
    led, rest = divide(query)
    if query.id_prefix:
        led = led & search.starts_with(query.id_prefix)
    led &= query.between & _beyond(at)
    stopped = None
    if rest:
        # A constant number of steps along the index alone, whatever lies behind it.
        end = Job.objects.filter(led).order_by(*order).values_list("created", "seq")[WINDOW : WINDOW + 1].first()
        if end:
            stopped = Cursor(end[0], end[1], newer)
            led &= _within(stopped)
    rows = hidden(listed().filter(led), rest).order_by(*order)[: limit + 1]
    return _Found(list(rows), stopped)


def _search(query: Query, at: Cursor | None, limit: int) -> _Found:
    """Through the full text, in the order of acceptance."""
    newer = bool(at and at.newer)
    bound: dict[str, Any] = {"after" if newer else "before": at.seq if at else None}
    narrowed = bool(query.equal or query.other or query.between or query.id_prefix)
    window = SEARCH_WINDOW if narrowed else limit + 1
    hits = search.matching(query.words, window, **bound)
    rows = list(narrow(listed().filter(seq__in=hits), query).order_by("seq" if newer else "-seq")[: limit + 1])
    if not narrowed or len(rows) > limit:
        return _Found(rows)
    places = Job.objects.filter(seq__in=hits)
    if places.count() < window:
        return _Found(rows)
    created, seq = places.order_by("-seq" if newer else "seq").values_list("created", "seq")[0]
    return _Found(rows, Cursor(created, seq, newer))


def divide(query: Query) -> tuple[Q, dict[str, Any]]:
    """What an index serves, and what is left: {"equal": {column: value}, "other": Q}, empty where nothing is."""
    equal = query.equal
    served = next(columns for columns in _SERVED if set(columns) <= set(equal))
    rest_equal = {name: value for name, value in equal.items() if name not in served}
    rest = {"equal": rest_equal, "other": query.other} if rest_equal or query.other else {}
    return Q(**{name: equal[name] for name in served}), rest


def hidden(rows: QuerySet[Job, Any], rest: dict[str, Any]) -> QuerySet[Job, Any]:
    """Rows narrowed by what no index serves, written so that no planner leaves the chosen index for another."""
    if not rest:
        return rows
    for name, value in rest["equal"].items():
        column: Any = Job._meta.get_field(name)
        plain = Coalesce(F(column.attname), Value(None), output_field=getattr(column, "target_field", column))
        rows = rows.alias(**{f"plain_{name}": plain}).filter(**{f"plain_{name}": value})
    return rows.filter(rest["other"])


def narrow(rows: QuerySet[Job, Any], query: Query) -> QuerySet[Job, Any]:
    """Rows narrowed by all of a query but its words."""
    rows = hidden(rows, {"equal": query.equal, "other": query.other}).filter(query.between)
    return rows.filter(search.starts_with(query.id_prefix)) if query.id_prefix else rows


def _beyond(at: Cursor | None) -> Q:
    """On the far side of a cursor. The first condition is what the index seeks by."""
    if at is None:
        return Q()
    if at.newer:
        return Q(created__gte=at.created) & (Q(created__gt=at.created) | Q(seq__gt=at.seq))
    return Q(created__lte=at.created) & (Q(created__lt=at.created) | Q(seq__lt=at.seq))


def _within(at: Cursor) -> Q:
    """On the near side of where the window ended, that row included."""
    if at.newer:
        return Q(created__lte=at.created) & (Q(created__lt=at.created) | Q(seq__lte=at.seq))
    return Q(created__gte=at.created) & (Q(created__gt=at.created) | Q(seq__gte=at.seq))


def each(query: Query) -> Iterator[Job]:
    """Every job of a query, newest first, page by page: for export and bulk."""
    cursor: str | None = ""
    while cursor is not None:
        found = page(query, cursor, MOST)
        yield from found.jobs
        cursor = found.next


def neighbours(query: Query, job: Job) -> tuple[Job | None, Job | None]:
    """The next newer and the next older job of a query without words; None at its ends."""
    newer = _walk(query, Cursor(job.created, job.seq, newer=True), 0).rows[:1]
    older = _walk(query, Cursor(job.created, job.seq), 0).rows[:1]
    return (newer[0] if newer else None), (older[0] if older else None)
