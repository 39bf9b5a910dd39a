"""What a workflow looks like: its state, its progress, its graph; for pages and the API alike."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db.models import Max
from django.utils import timezone

from jobs.core.states import FINAL, UNFINISHED, State, shown_as
from jobs.models import Edge, Job, Workflow
from jobs.models.workflow import workflow_counts


def state_of(workflow: Workflow) -> State:
    return Outlook(workflow, workflow_counts([workflow.pk])[workflow.pk]).state


@dataclass
class Outlook:
    """A workflow with the number of its jobs in each state."""

    workflow: Workflow
    counts: dict[str, int] = field(default_factory=dict)
    #: When the last job ended; None while one moves.
    finished_at: datetime | None = None
    #: Whether its first jobs are due, of a workflow that has not started.
    is_due: bool = True

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def ended(self) -> int:
        return sum(count for state, count in self.counts.items() if state in FINAL)

    @property
    def failed(self) -> int:
        return self.counts.get(State.FAILURE, 0)

    @property
    def state(self) -> State:
        """Of a workflow that moves: PENDING before any job has started, then STARTED. At rest the worst end."""
        if any(self.counts.get(state) for state in UNFINISHED):
            return State.PENDING if self.counts.get(State.PENDING) == self.total else State.STARTED
        for state in (State.FAILURE, State.REVOKED):
            if self.counts.get(state):
                return state
        return State.SUCCESS if self.total else State.PENDING

    @property
    def shown(self) -> str:
        """Key of the state that people are shown (core/states.py)."""
        return shown_as(self.state, waits_for_due=not self.is_due)

    @property
    def can_retry(self) -> bool:
        """Roughly: steer.retry decides."""
        return not self.workflow.is_canvas and self.state in (State.FAILURE, State.REVOKED)


def outlooks(workflows: Iterable[Workflow]) -> list[Outlook]:
    rows = list(workflows)
    counts = workflow_counts([row.pk for row in rows])
    found = [Outlook(row, counts[row.pk]) for row in rows]
    at_rest = {outlook.workflow.pk: outlook for outlook in found if outlook.state in FINAL}
    ends: Any = Job.objects.filter(workflow__in=list(at_rest)).order_by().values_list("workflow_id")
    for key, finished_at in ends.annotate(last=Max("finished_at")):
        at_rest[key].finished_at = finished_at
    waiting = [outlook for outlook in found if outlook.state == State.PENDING]
    first = Job.objects.filter(workflow__in=[outlook.workflow.pk for outlook in waiting], blocked=False)
    due = set(first.exclude(due_at__gt=timezone.now()).order_by().values_list("workflow_id", flat=True).distinct())
    for outlook in waiting:
        outlook.is_due = outlook.workflow.pk in due
    return found


@dataclass(frozen=True)
class Graph:
    """The jobs of a workflow, oldest first, and which waits for which, by their `seq`."""

    jobs: list[Job]
    #: Job -> those that it waits for, in order.
    before: dict[int, list[int]]

    @cached_property
    def column(self) -> dict[int, int]:
        """The longest way to each job from one that waits for none: its column in a drawing from left to right."""
        after: dict[int, list[int]] = {}
        waiting = {job.pk: len(self.before.get(job.pk, ())) for job in self.jobs}
        for seq, earlier in self.before.items():
            for one in earlier:
                after.setdefault(one, []).append(seq)
        found = dict.fromkeys(waiting, 0)
        ready = [seq for seq, number in waiting.items() if not number]
        while ready:
            seq = ready.pop()
            for later in after.get(seq, ()):
                found[later] = max(found[later], found[seq] + 1)
                waiting[later] -= 1
                if not waiting[later]:
                    ready.append(later)
        return found


def graph_of(workflow: Workflow, most: int = 10_000) -> Graph:
    jobs: list[Any] = list(
        Job.objects.filter(workflow=workflow).select_related("owner").defer("params", "search").order_by("seq")[:most]
    )
    known = {job.pk for job in jobs}
    before: dict[int, list[int]] = {}
    edges = Edge.objects.filter(after__workflow=workflow).order_by("position")
    for earlier, later in edges.values_list("before", "after"):
        if earlier in known and later in known:
            before.setdefault(later, []).append(earlier)
    return Graph(jobs, before)
