"""What Celery's own chain, group and chord say of a task that runs: what it belongs to, and what is to follow it.

Signatures here are as a message has them: dicts whose ids Celery fixed when the whole was sent.
"""

import uuid
from collections.abc import Iterator
from itertools import islice
from typing import Any

from jobs.core.ids import stored_id

#: Ids that one event names: of what follows a task, and of what follows each of a chord's header.
_MOST, _MOST_OF_EACH = 10_000, 100
#: Signatures that are looked at for a title, and names in it.
_LOOKED_AT, _NAMES = 200, 4


def told(request: Any, task: str) -> dict[str, Any]:
    """For the event of a claim: {} of a task on its own, else {"canvas": …}.

    in: the id of the workflow, unless the job before has one: the outermost group's, else the task's own;
    next: ids of the tasks that start once this one has succeeded, tasks: their names;
    position: of its result in a chord's; names: of the first few different tasks.
    """
    if not (request.chain or request.chord or request.callbacks or request.group):
        return {}
    chain, callbacks = request.chain or [], request.callbacks or []
    following = [*chain[-1:], *callbacks]
    first = [*islice((each for signature in following for each in _first_of(signature)), _MOST)]
    if request.chord:
        first += islice(_first_of(request.chord), _MOST_OF_EACH)
    all_after = [*reversed(chain), *callbacks, *([request.chord] if request.chord else [])]
    names = dict.fromkeys([task, *islice((one["task"] for each in all_after for one in tasks_of(each)), _LOOKED_AT)])
    outermost = (_group(chain[0]) if chain else "") or (_group(request.chord) if request.chord else "")
    return {
        "canvas": {
            "in": stored_id(outermost or request.group or request.id),
            "next": [stored_id(each) for each, _ in first],
            "tasks": [name for _, name in first],
            "position": request.group_index or 0,
            "names": [*islice(names, _NAMES)],
        }
    }


def _parts(signature: Any) -> tuple[str, list[Any]]:
    """What ties a signature, "" where it is one task, and the signatures in it, in order."""
    tie, kwargs = signature.get("subtask_type") or "", signature["kwargs"]
    if tie in ("chain", "group"):
        return tie, list(kwargs["tasks"])
    if tie == "chord":
        header = kwargs["header"]
        header = _parts(header)[1] if isinstance(header, dict) else list(header)
        return tie, [*header, kwargs["body"]]
    return "", []


def _first_of(signature: Any) -> Iterator[tuple[str, str]]:
    """Ids and names of the tasks with which it starts.

    One without an id, a callback's, gets it here: Celery keeps what is there.
    """
    tie, parts = _parts(signature)
    if not tie:
        yield signature["options"].setdefault("task_id", str(uuid.uuid4())), signature["task"]
    for part in {"chain": parts[:1], "chord": parts[:-1] or parts}.get(tie, parts):
        yield from _first_of(part)


def tasks_of(signature: Any) -> Iterator[Any]:
    """The signatures of single tasks in it, in order."""
    tie, parts = _parts(signature)
    if not tie:
        yield signature
    for part in parts:
        yield from tasks_of(part)


def _group(signature: Any) -> str:
    """Id of the outermost group that a signature's end belongs to, "" where it belongs to none."""
    tie, parts = _parts(signature)
    options = signature["options"]
    around = _group(options["chord"]) if options.get("chord") else ""
    inside = _group(parts[-1]) if tie in ("chain", "chord") and parts else ""
    return around or options.get("group_id") or inside
