"""What somebody sends as a workflow, read into steps and what each waits for.

    step    {"kind": SLUG, "params": {…}} or {"task": NAME, "args": […], "kwargs": {…}, "immutable": true}
            beside them: "title", "priority", "queue", "each": "${…}", "needs": "all" or "some"
    node    a step, {"chain": [node, …]}, {"group": [node, …]} or {"chord": {"header": [node, …], "body": node}}
    whole   a node, beside it: "title", "on_failure": "end" or "skip", "due_at"

Within a chain, what follows a group waits for all of it, as in Celery, where that makes a chord.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jobs.core.errors import Refused
from jobs.models.workflow import Needs
from jobs.workflows.values import expressions

MAX_STEPS, MAX_DEPTH = 10_000, 50
#: Between steps and those that they wait for: each is a row, and pages read those of a workflow at once.
MAX_TIES = 100_000
TOO_MANY_TIES = (
    f"Many steps would each wait for many others: at most {MAX_TIES:,} such ties are taken. "
    "Put one step between them that waits for all of the first."
)
_TIES = ("chain", "group", "chord")
_COMMON = {"title", "priority", "queue", "each", "needs"}
_OF_KIND, _OF_TASK = {"kind", "params", *_COMMON}, {"task", "args", "kwargs", "immutable", *_COMMON}


_TEXT = (str, "text")
_TYPES: dict[str, tuple[Any, str]] = {
    **dict.fromkeys(("kind", "task", "title", "queue", "each", "needs"), _TEXT),
    "priority": ((str, int), "a name or a number"),
    "params": (Mapping, "an object: the parameters by name"),
    "args": (list, "a list"),
    "kwargs": (Mapping, "an object"),
    "immutable": (bool, "true or false"),
}


@dataclass
class Planned:
    """One step. before: indices of the steps that it waits for, in the order of the results that it is given."""

    #: Where it stands in what was sent, e.g. chain[1].group[0].
    path: str
    spec: Mapping[str, Any]
    before: list[int]
    gathers: bool

    @property
    def is_kind(self) -> bool:
        return "kind" in self.spec

    @property
    def each(self) -> str:
        return str(self.spec.get("each") or "")


@dataclass
class _Ends:
    """The last steps of a node; many: whether they count as a list of results."""

    steps: list[int] = field(default_factory=list)
    many: bool = False


def read(node: Mapping[str, Any]) -> list[Planned]:
    """The steps, each after those that it waits for. Raises Refused, with fields named chain[1].params."""
    reader = _Reader()
    reader.node(node, "", _Ends(), 0)
    if reader.errors:
        raise Refused(dict(list(reader.errors.items())[:200]))
    return reader.steps


class _Reader:
    def __init__(self) -> None:
        self.steps: list[Planned] = []
        self.ties = 0
        self.errors: dict[str, list[str]] = {}

    def _wrong(self, path: str, text: str) -> _Ends:
        self.errors.setdefault(path or "workflow", []).append(text)
        return _Ends()

    def node(self, node: Any, path: str, before: _Ends, depth: int) -> _Ends:
        if not isinstance(node, Mapping):
            return self._wrong(path, f"Expected an object: a step, or one of {', '.join(_TIES)}.")
        if depth > MAX_DEPTH:
            return self._wrong(path, f"Nested more than {MAX_DEPTH} deep.")
        ties = [tie for tie in (*_TIES, "kind", "task") if tie in node]
        if len(ties) != 1:
            return self._wrong(path, f"Expected exactly one of chain, group, chord, kind, task; found {len(ties)}.")
        if ties[0] in ("kind", "task"):
            return self._step(node, path, before)
        if unknown := sorted(set(node) - {ties[0]}):
            return self._wrong(path, f"Unknown beside {ties[0]}: {', '.join(map(str, unknown))[:200]}.")
        inner = f"{path}.{ties[0]}" if path else ties[0]
        return getattr(self, f"_{ties[0]}")(node[ties[0]], inner, before, depth + 1)

    def _chain(self, nodes: Any, path: str, before: _Ends, depth: int) -> _Ends:
        for index, node in enumerate(self._list(nodes, path)):
            before = self.node(node, f"{path}[{index}]", before, depth)
        return before

    def _group(self, nodes: Any, path: str, before: _Ends, depth: int) -> _Ends:
        ends = _Ends(many=True)
        for index, node in enumerate(self._list(nodes, path)):
            ends.steps += self.node(node, f"{path}[{index}]", before, depth).steps
        return ends

    def _chord(self, chord: Any, path: str, before: _Ends, depth: int) -> _Ends:
        if not isinstance(chord, Mapping) or set(chord) != {"header", "body"}:
            return self._wrong(path, 'Expected an object with "header", a list, and "body".')
        header = self._group(chord["header"], f"{path}.header", before, depth)
        return self.node(chord["body"], f"{path}.body", header, depth)

    def _list(self, nodes: Any, path: str) -> Sequence[Any]:
        if not isinstance(nodes, list) or not nodes:
            self._wrong(path, "Expected a list with at least one element.")
            return []
        return nodes

    def _step(self, spec: Mapping[str, Any], path: str, before: _Ends) -> _Ends:
        known = _OF_KIND if "kind" in spec else _OF_TASK
        if unknown := sorted(map(str, set(spec) - known)):
            text = f"Unknown: {', '.join(unknown)[:200]}. A step takes {', '.join(sorted(known))}."
            return self._wrong(path, text)
        if wrong := _wrong_option(spec):
            name, text = wrong
            return self._wrong(f"{path}.{name}" if path else name, text)
        if len(self.steps) >= MAX_STEPS:
            if len(self.steps) == MAX_STEPS and "workflow" not in self.errors:
                self._wrong("", f"At most {MAX_STEPS:,} steps are taken.")
            return _Ends()
        self.ties += len(before.steps)
        if self.ties > MAX_TIES:
            if TOO_MANY_TIES not in self.errors.get("workflow", []):
                self._wrong("", TOO_MANY_TIES)
            return _Ends()
        step = Planned(path or "step", spec, list(before.steps), before.many)
        if not before.steps:
            self._comes_from_nowhere(step)
        self.steps.append(step)
        return _Ends([len(self.steps) - 1], many=bool(step.each))

    def _comes_from_nowhere(self, step: Planned) -> None:
        given = [step.spec.get(name) for name in ("params", "args", "kwargs", "each")]
        if found := next(iter(expressions(given)), None):
            self._wrong(step.path, f"${{{found}}} stands for what a step before gives, and none comes before this one.")


def _wrong_option(spec: Mapping[str, Any]) -> tuple[str, str] | None:
    """(name, what would be right) of the first one that is of another type than it must be."""
    for name, value in spec.items():
        types, words = _TYPES[name]
        is_left_out = value is None and name not in ("kind", "task")
        if not is_left_out and (not isinstance(value, types) or (isinstance(value, bool) and types is not bool)):
            return name, f"Expected {words}."
    if (spec.get("needs") or Needs.ALL) not in Needs.values:
        return "needs", f"Expected {' or '.join(Needs.values)}."
    if spec.get("each") and next(expressions(spec["each"]), None) is None:
        return "each", "Expected ${…} that stands for a list, such as ${files} or ${result}."
    return None
