"""Failures by what they have in common: one group a signature, counted over several spans of time."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, F, Max, Min, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Concat
from django.utils import timezone

from jobs.core.signature import longest_part
from jobs.core.states import State
from jobs.models import IgnoredFailure, Job

#: What groups are counted over, shortest first; the longest is how far back the page looks.
SPANS = {
    "1 h": timedelta(hours=1),
    "3 h": timedelta(hours=3),
    "24 h": timedelta(hours=24),
    "7 d": timedelta(days=7),
}
LOOKBACK = max(SPANS.values())
#: Steps of our own workflows; what Celery's own code tied is retried like any other job.
STEP = Q(workflow__is_canvas=False)
#: The newest failures that are looked at, and groups that are shown: the cost stays the same whatever fails.
WINDOW, MOST_GROUPS = 20_000, 100


@dataclass
class Group:
    """Failures of one signature within LOOKBACK."""

    signature: str
    #: By span: {"1 h": 3, …}.
    counts: dict[str, int]
    first: datetime
    last: datetime
    #: Its newest failure.
    newest: int
    kinds: list[str] = field(default_factory=list)
    sample: Job | None = None
    ignored_at: datetime | None = None
    #: Those that are retried with their workflow alone, and the first and the last of those workflows by their ids.
    steps: int = 0
    workflows: set[str] = field(default_factory=set)

    @property
    def total(self) -> int:
        return max(self.counts.values())

    @property
    def alone(self) -> int:
        """Those that can be retried by themselves."""
        return self.total - self.steps

    @property
    def search(self) -> str:
        """What the page Jobs is asked to show (most of) them."""
        terms = ["state:failed", f"since:{LOOKBACK.days}d"]
        error_type = self.sample.error_type if self.sample else ""
        part = longest_part(self.signature, error_type)
        if wanted := (part if len(part) >= 6 else error_type):
            terms.append(f'error:"{wanted}"')
        return " ".join(terms)


@dataclass(frozen=True)
class Groups:
    """The groups that failed last first; `looked_back_to` where there were more failures than are looked at."""

    groups: list[Group]
    #: Those of which nothing has failed since somebody chose to ignore them.
    ignored: list[Group]
    looked_back_to: datetime | None = None


def groups(now: datetime | None = None) -> Groups:
    """All groups: one index is followed, up to WINDOW jobs, and the newest job of each group is read."""
    now = now or timezone.now()
    beyond = _failed(now).order_by("-finished_at").values("finished_at")[WINDOW : WINDOW + 1].first()
    since: Any = beyond["finished_at"] if beyond else now - LOOKBACK
    found: dict[str, Group] = {}
    for row in _counted(now, since):
        _add(found, row)
    for ignored in IgnoredFailure.objects.filter(at__gte=since):
        if (group := found.get(ignored.signature)) and group.last <= ignored.at:
            group.ignored_at = ignored.at
    newest_first = sorted(found.values(), key=lambda group: group.last, reverse=True)
    shown = [group for group in newest_first if group.ignored_at is None][:MOST_GROUPS]
    hidden = [group for group in newest_first if group.ignored_at][:MOST_GROUPS]
    samples = Job.objects.defer("params", "search").in_bulk([group.newest for group in shown + hidden])
    for group in shown + hidden:
        group.sample = samples.get(group.newest)
    return Groups(shown, hidden, since if beyond else None)


def of_signature(signature: str, now: datetime | None = None) -> QuerySet[Job]:
    """A group's jobs, newest first."""
    return _failed(now or timezone.now()).filter(signature=signature).order_by("-finished_at")


def failed_since(moment: datetime, look: int) -> QuerySet[Job]:
    """Failed jobs that were created since `moment` and are not ignored; of the newest `look` where some are."""
    failed = Job.objects.filter(state=State.FAILURE, created__gte=moment)
    if not IgnoredFailure.objects.exists():
        return failed
    newest = failed.order_by("-created", "-seq").values("seq")[:look]
    ignored = IgnoredFailure.objects.filter(signature=OuterRef("signature"), at__gte=OuterRef("finished_at"))
    return Job.objects.filter(~Exists(ignored), seq__in=newest)


def _failed(now: datetime) -> QuerySet[Job]:
    return Job.objects.exclude(signature="").filter(finished_at__gte=now - LOOKBACK)


def _counted(now: datetime, since: datetime) -> Any:
    """Rows of a signature and a kind each, as dictionaries."""
    within = {
        f"span{number}": Count("seq", filter=Q(finished_at__gte=now - span))
        for number, span in enumerate(SPANS.values())
    }
    return (
        Job.objects.exclude(signature="").filter(finished_at__gte=since).order_by()
        # Written as more than a column, so that SQLite reads the range of times and does not group by the other index.
        .values(cause=Concat("signature", Value("")), group=F("kind"))
        .annotate(**within, first=Min("finished_at"), last=Max("finished_at"), newest=Max("seq"))
        .annotate(
            steps=Count("seq", filter=STEP),
            first_workflow=Min("workflow", filter=STEP),
            last_workflow=Max("workflow", filter=STEP),
        )
    )  # fmt: skip


def _add(found: dict[str, Group], row: dict[str, Any]) -> None:
    counts = {name: row[f"span{number}"] for number, name in enumerate(SPANS)}
    group = found.get(row["cause"])
    if group is None:
        group = found[row["cause"]] = Group(row["cause"], counts, row["first"], row["last"], row["newest"])
    else:
        group.counts = {name: group.counts[name] + count for name, count in counts.items()}
        group.first, group.last = min(group.first, row["first"]), max(group.last, row["last"])
        group.newest = max(group.newest, row["newest"])
    group.kinds.append(row["group"])
    group.steps += row["steps"]
    group.workflows |= {row["first_workflow"], row["last_workflow"]} - {None}
