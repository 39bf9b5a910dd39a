"""Chain, group and chord that Celery itself ties, drawn from what their tasks tell as they start (LINE 10).

Each names those that are to follow it, so that a task's row may come long after the edge to it is known, and, where
events come out of order, before.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from jobs.keeper import write
from jobs.keeper.foreign import title_of
from jobs.models import CanvasLink, Edge, Job, Workflow
from jobs.models.job import Via
from jobs.models.workflow import OnFailure
from jobs.wire.events import Event

_CHUNK = 400


def tie(batch: list[Event]) -> None:
    """Within the transaction that stores a batch's jobs: their workflows and edges. Again, it changes nothing."""
    telling = [event for event in batch if "canvas" in event.fields]
    # The last of a chain tells nothing, but is started by the one before it.
    started = {event.job for event in batch if event.fields.get("parent")}
    if telling or started:
        tied = _Tied()
        tied.read(telling, started)
        tied.assign(telling)
        tied.write()


@dataclass
class _Tied:
    #: id -> seq
    jobs: dict[str, int] = field(default_factory=dict)
    #: seq -> owner
    owners: dict[int, int | None] = field(default_factory=dict)
    #: seq -> id of the workflow, as SQL has it; those that it does not have yet
    workflows: dict[int, str | None] = field(default_factory=dict)
    fresh: dict[int, str] = field(default_factory=dict)
    made: dict[str, Workflow] = field(default_factory=dict)
    #: (seq before, seq after) -> position
    edges: dict[tuple[int, int], int] = field(default_factory=dict)
    links: list[CanvasLink] = field(default_factory=list)
    #: Ids of links of which the second job is there by now.
    resolved: list[int] = field(default_factory=list)

    def read(self, telling: list[Event], started: set[str]) -> None:
        following = {each for event in telling for each in event.fields["canvas"]["next"]}
        ids = [*{*(event.job for event in telling), *started, *following}]
        for some in _chunks(ids):
            for key, seq, owner, workflow in Job.objects.filter(id__in=some).values_list(
                "id", "seq", "owner_id", "workflow_id"
            ):
                self.jobs[key], self.owners[seq], self.workflows[seq] = seq, owner, workflow
        for some in _chunks(self.jobs):
            waiting = CanvasLink.objects.filter(after__in=some).order_by("id")
            columns = ("id", "after", "position", "before_id", "before__owner_id", "before__workflow_id")
            for link, after, position, before, owner, workflow in waiting.values_list(*columns):
                self.resolved.append(link)
                self.edges[before, self.jobs[after]] = position
                self.owners[before], self.workflows[before] = owner, workflow
        for event in telling:
            if before := self.jobs.get(event.job):
                self._follow(before, event.fields["canvas"])

    def _follow(self, before: int, canvas: dict[str, Any]) -> None:
        for each, task in zip_longest(canvas["next"], canvas.get("tasks", ()), fillvalue=""):
            if after := self.jobs.get(each):
                self.edges[before, after] = canvas["position"]
            else:
                link = CanvasLink(before_id=before, after=each, task=task[:255], position=canvas["position"])
                self.links.append(link)

    def assign(self, telling: list[Event]) -> None:
        """A job belongs to the workflow of one before it, else to the one that it names itself."""
        before: dict[int, list[int]] = {}
        for first, second in self.edges:
            before.setdefault(second, []).append(first)
        for event in telling:
            seq = self.jobs.get(event.job)
            if seq is None or self._of(seq):
                continue
            known = next((found for each in before.get(seq, ()) if (found := self._of(each))), None)
            self.fresh[seq] = known or self._make(event, self.owners[seq])

    def _of(self, seq: int) -> str | None:
        return self.fresh.get(seq) or self.workflows.get(seq)

    def _make(self, event: Event, owner: int | None) -> str:
        canvas = event.fields["canvas"]
        key = str(canvas["in"])[:255]
        names = list(dict.fromkeys(title_of(name) for name in canvas["names"]))
        title = ", ".join(names[:3]) + (" and more" if len(names) > 3 else "")
        self.made.setdefault(key, Workflow(
            id=key, title=title[:200], owner_id=owner, via=Via.CELERY, is_canvas=True, on_failure=OnFailure.SKIP,
            created=event.at,
        ))  # fmt: skip
        return key

    def write(self) -> None:
        Workflow.objects.bulk_create(self.made.values(), ignore_conflicts=True)
        self._join()
        write.workflows([(workflow, seq) for seq, workflow in self.fresh.items()])
        Edge.objects.bulk_create(
            (Edge(before_id=before, after_id=after, position=at) for (before, after), at in self.edges.items()),
            ignore_conflicts=True,
        )
        CanvasLink.objects.bulk_create(self.links, ignore_conflicts=True)
        for some in _chunks(self.resolved):
            CanvasLink.objects.filter(id__in=some).delete()

    def _join(self) -> None:
        """Both ends of an edge belong to one workflow: where events came out of order, to the older of two."""
        for before, after in self.edges:
            first, second = self._of(before), self._of(after)
            if first is None or first == second:
                continue
            if second is not None:
                both = Workflow.objects.filter(pk__in=[first, second]).order_by("created", "id")
                first, second = both.values_list("pk", flat=True)
                Job.objects.filter(workflow=second).update(workflow=first)
                Workflow.objects.filter(pk=second).delete()
                self.fresh |= {seq: first for seq in {*self.workflows, *self.fresh} if self._of(seq) == second}
            self.fresh[after] = first


def _chunks(ids: Iterable[Any]) -> Iterable[list[Any]]:
    all_ids = list(ids)
    return (all_ids[start : start + _CHUNK] for start in range(0, len(all_ids), _CHUNK))
