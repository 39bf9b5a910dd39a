"""The drawing of a workflow: boxes in columns from left to right, those that are alike folded into one."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from statistics import mean

from jobs.models import Job
from jobs.web.pages.rows import Row
from jobs.workflows.outlook import Graph

#: Jobs that are alike from here on are drawn as one box; boxes beyond which a list says more than a drawing.
FOLD, MOST_BOXES = 7, 300
#: [px]
WIDTH, HEIGHT, GAP_X, GAP_Y, PASSING = 184, 56, 40, 16, 8
#: What the number of jobs in a shown state is called, in the order of telling.
_COUNTED = {
    "succeeded": "done", "failed": "failed", "running": "running", "retrying": "retrying", "queued": "waiting",
    "scheduled": "waiting", "cancelled": "cancelled",
}  # fmt: skip
#: Of several jobs the state that is told: the first that one of them has.
_TELLING = ("failed", "running", "retrying", "queued", "scheduled", "cancelled", "succeeded")


@dataclass(eq=False)
class Box:
    """One step, or several that are alike."""

    rows: list[Row]
    column: int
    before: "set[Box]" = field(default_factory=set)

    @property
    def key(self) -> str:
        """The same for as long as the workflow is there, also when the step becomes several."""
        return f"step-{min(row.job.pk for row in self.rows)}"

    @property
    def row(self) -> Row:
        return self.rows[0]

    @property
    def is_folded(self) -> bool:
        return len(self.rows) > 1

    @cached_property
    def counts(self) -> Counter[str]:
        return Counter(row.job.shown for row in self.rows)

    @property
    def title(self) -> str:
        titles = {row.job.title for row in self.rows}
        one = titles.pop() if len(titles) == 1 else self.row.job.kind_label
        return f"{one} ×{len(self.rows):,}" if self.is_folded else one

    @property
    def kind(self) -> str:
        """ "" where the title says it already."""
        label = self.row.job.kind_label
        return "" if self.title.startswith(label) else label

    @property
    def shown(self) -> str:
        return next(state for state in _TELLING if self.counts.get(state))

    @property
    def word(self) -> str:
        return told(self.counts) if self.is_folded else self.row.word

    @property
    def fraction(self) -> float | None:
        return None if self.is_folded else self.row.fraction

    @cached_property
    def urgent_first(self) -> list[Row]:
        return sorted(self.rows, key=lambda row: (_TELLING.index(row.job.shown), row.job.pk))


@dataclass(eq=False)
class Place:
    """Where a box stands, or where an edge passes a column that it only crosses."""

    box: Box | None
    column: int
    before: "list[Place]" = field(default_factory=list)
    y: float = 0

    @property
    def height(self) -> int:
        return HEIGHT if self.box else PASSING

    @property
    def x(self) -> int:
        return self.column * (WIDTH + GAP_X)

    @property
    def middle(self) -> float:
        return self.y + self.height / 2

    @property
    def paths(self) -> list[str]:
        """The edges that end here, and the way through for those that pass."""
        found = []
        for one in self.before:
            x, half = one.x + WIDTH, self.x - GAP_X / 2
            found.append(
                f"M{x} {one.middle:g}C{half:g} {one.middle:g} {half:g} {self.middle:g} {self.x} {self.middle:g}"
            )
        return found if self.box else [*found, f"M{self.x} {self.middle:g}h{WIDTH}"]


@dataclass
class Drawing:
    places: list[Place]
    width: int
    height: float

    #: Templates cannot read a module's constants.
    box_width, box_height = WIDTH, HEIGHT

    @property
    def boxes(self) -> list[Place]:
        return [place for place in self.places if place.box]

    @property
    def paths(self) -> list[str]:
        return [path for place in self.places for path in place.paths]


def told(counts: "Counter[str]") -> str:
    """312 done, 4 failed."""
    words: Counter[str] = Counter()
    for state, word in _COUNTED.items():
        words[word] += counts.get(state, 0)
    return ", ".join(f"{number:,} {word}" for word, number in words.items() if number)


def boxes_of(graph: Graph, rows: dict[int, Row], fold: int = FOLD) -> list[Box]:
    """Column by column, each in order of submission. rows: by the job's `seq`; fold: how many alike make one box."""
    alike: dict[tuple[int, int], list[Job]] = {}
    classes = _classes(graph)
    for job in graph.jobs:
        alike.setdefault(classes[job.pk], []).append(job)
    boxes: list[Box] = []
    box_of: dict[int, Box] = {}
    for jobs in alike.values():
        for some in [jobs] if len(jobs) >= fold else [[job] for job in jobs]:
            box = Box([rows[job.pk] for job in some], graph.column[some[0].pk])
            boxes.append(box)
            box_of |= {job.pk: box for job in some}
    for later, earlier in graph.before.items():
        box_of[later].before |= {box_of[seq] for seq in earlier}
    return sorted(boxes, key=lambda box: (box.column, box.row.job.pk))


def _classes(graph: Graph) -> dict[int, tuple[int, int]]:
    """Jobs of one class are of one kind, and come after and before jobs that are of one class each, all the way."""
    ordered = sorted(graph.jobs, key=lambda job: graph.column[job.pk])
    after: dict[int, list[int]] = {}
    for later, earlier in graph.before.items():
        for seq in earlier:
            after.setdefault(seq, []).append(later)
    behind = _numbered(ordered, graph.before)
    ahead = _numbered(reversed(ordered), after)
    return {job.pk: (behind[job.pk], ahead[job.pk]) for job in ordered}


def _numbered(jobs: Iterable[Job], neighbours: dict[int, list[int]]) -> dict[int, int]:
    numbers: dict[tuple[str, frozenset[int]], int] = {}
    found: dict[int, int] = {}
    for job in jobs:
        key = (job.kind, frozenset(found[seq] for seq in neighbours.get(job.pk, ())))
        found[job.pk] = numbers.setdefault(key, len(numbers))
    return found


def draw(boxes: list[Box]) -> Drawing | None:
    """None where there are too many boxes for a drawing."""
    if len(boxes) > MOST_BOXES:
        return None
    columns = _placed(boxes)
    heights = [sum(place.height for place in column) + GAP_Y * (len(column) - 1) for column in columns]
    for column, height in zip(columns, heights, strict=True):
        # Beside what they come from, so that few edges cross.
        column.sort(key=lambda place: mean(one.middle for one in place.before) if place.before else 0)
        y = (max(heights) - height) / 2
        for place in column:
            place.y = y
            y += place.height + GAP_Y
    width = len(columns) * (WIDTH + GAP_X) - GAP_X
    return Drawing([place for column in columns for place in column], width, max(heights, default=0))


def _placed(boxes: list[Box]) -> list[list[Place]]:
    columns: list[list[Place]] = [[] for _ in range(max((box.column for box in boxes), default=-1) + 1)]
    place_of: dict[Box, Place] = {}
    passing: dict[tuple[Box, int], Place] = {}
    for box in boxes:
        place_of[box] = place = Place(box, box.column)
        columns[box.column].append(place)
        for earlier in sorted(box.before, key=lambda one: one.row.job.pk):
            before = place_of[earlier]
            for number in range(earlier.column + 1, box.column):
                if (earlier, number) not in passing:
                    passing[earlier, number] = Place(None, number, [before])
                    columns[number].append(passing[earlier, number])
                before = passing[earlier, number]
            place.before.append(before)
    return columns
