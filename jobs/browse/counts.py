"""How many jobs there are in each state, counted only as far as anybody reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Count as Number
from django.db.models import Q, QuerySet

from jobs.browse import search
from jobs.browse.filters import Query
from jobs.browse.page import divide, hidden, narrow
from jobs.core.states import SHOWN
from jobs.models import Job

#: Counting stops here; where no index serves the question, so many rows are looked through.
CAP, WINDOW = 1_000, 5_000
STATES = tuple(key for key in SHOWN if key != "lost")


@dataclass(frozen=True, slots=True)
class Count:
    number: int
    #: There are more, or there may be: counting stopped.
    more: bool = False

    def __str__(self) -> str:
        return f"{self.number:,}{'+' if self.more else ''}"

    def __add__(self, other: "Count") -> "Count":
        return Count(self.number + other.number, self.more or other.more)

    def __bool__(self) -> bool:
        return bool(self.number or self.more)


def by_state(query: Query) -> dict[str, Count]:
    """The count of each shown state under a query, whatever state the query asks for; one SQL statement."""
    each = {state: query.replace(state=state) for state in STATES}
    if query.words:
        return _among_hits(query.replace(state=""), each)
    return dict(zip(STATES, counts_of(list(each.values())), strict=True))


def _among_hits(query: Query, each: dict[str, Query]) -> dict[str, Count]:
    """Counts among the newest jobs that have the words, looked at once for all states."""
    asked = Q(**query.equal) & query.other & query.between
    if query.id_prefix:
        asked &= search.starts_with(query.id_prefix)
    numbers = Job.objects.filter(seq__in=search.matching(query.words, WINDOW)).aggregate(
        looked=Number("seq"), **{state: Number("seq", filter=asked & one.in_state) for state, one in each.items()}
    )
    stopped = numbers["looked"] == WINDOW
    return {state: Count(min(numbers[state], CAP), stopped or numbers[state] > CAP) for state in each}


def counts_of(queries: Sequence[Query], most: int = 0) -> list[Count]:
    """The count of each query, all in one SQL statement. most: counts up to it, and looks through as many, too."""
    if not queries:
        return []
    cap, window = most or CAP, most or WINDOW
    parts: list[QuerySet[Any]] = [rows for query in queries for rows in _bounded(query, cap, window)]
    compiled = [rows.query.get_compiler(connection=connection).as_sql() for rows in parts]
    counted = [f"(SELECT COUNT(*) FROM ({part}) AS part{index})" for index, (part, _) in enumerate(compiled)]  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(counted)}", [value for _, params in compiled for value in params])
        numbers = cursor.fetchone()
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return [Count(min(hits, cap), hits > cap or looked > window) for hits, looked in pairs]


def _bounded(query: Query, cap: int, window: int) -> tuple[QuerySet[Any], QuerySet[Any]]:
    """The hits, at most cap + 1; and the rows looked through where those are more than the hits themselves."""
    nothing = Job.objects.filter(pk=-1).values("pk")
    if query.words:
        found = Job.objects.filter(seq__in=search.matching(query.words, window + 1)).values("seq")
        return narrow(found, query)[: cap + 1], found
    led, rest = divide(query)
    rows = Job.objects.filter(led).filter(query.between).values("seq")
    if query.id_prefix:
        rows = rows.filter(search.starts_with(query.id_prefix))
    if not rest:
        return rows[: cap + 1], nothing
    looked = rows.order_by("-created", "-seq")[: window + 1]
    return hidden(Job.objects.filter(seq__in=looked), rest).values("seq")[: cap + 1], looked
