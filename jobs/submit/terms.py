"""What goes with a job's parameters: what it is of, who submits it and how, its queue, priority, time and title.

Looked up and checked once for each submission, of one job or of ten thousand, whatever way it comes in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from django.conf import settings

from jobs.core import priorities
from jobs.core.access import is_operator, may_submit
from jobs.core.errors import RefusedTerms
from jobs.core.kind import POOLS, Kind
from jobs.core.moment import WITHIN, is_usable
from jobs.core.registry import get_kind, kinds_for
from jobs.core.retry import attempts_of_task
from jobs.foreign.task import ForeignTask, task_named, task_or_name
from jobs.models import Job
from jobs.submit.offenders import pool_of


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Made by `of` and `of_task`, which check, or by `again`, for what was checked when it was accepted.

    kind, or task: one of the two. blocked: the parameters are not all known yet. more: further columns of the row.
    """

    kind: type[Kind] | None = None
    task: ForeignTask | None = None
    user: Any
    via: str
    queue: str
    priority: int
    due_at: datetime | None = None
    title: str = ""
    blocked: bool = False
    more: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, kind: str | type[Kind], user: Any, *, via: str, queue: str | None = None,
        priority: str | int | None = None, due_at: datetime | None = None, title: str = "", blocked: bool = False,
        **more: Any,
    ) -> Self:  # fmt: skip
        """Of a kind. Raises RefusedTerms."""
        found = kind_for(kind, user)
        return cls(
            kind=found, user=user, via=via, queue=queue_for(found, queue, user), priority=_priority(priority),
            due_at=_usable(due_at), title=title or "", blocked=blocked, more=more,
        )  # fmt: skip

    @classmethod
    def of_task(
        cls, task: str | ForeignTask, user: Any, *, via: str, queue: str | None = None,
        priority: str | int | None = None, due_at: datetime | None = None, title: str = "", blocked: bool = False,
        **more: Any,
    ) -> Self:  # fmt: skip
        """Of a Celery task that is no kind; a name is that of an installed app's. Raises RefusedTerms."""
        check_operator(user)
        found = task_named(task) if isinstance(task, str) else task
        if found is None:
            raise RefusedTerms({"task": [f"No Celery task {str(task)[:80]!r} is known here."]})
        return cls(
            task=found, user=user, via=via, queue=queue or found.pool, priority=_priority(priority),
            due_at=_usable(due_at), title=title or "", blocked=blocked, more=more,
        )  # fmt: skip

    @classmethod
    def again(cls, job: Job, *, title: str, **more: Any) -> Self:
        """As a stored job has them: they were chosen when it was accepted, by somebody who might. Raises RefusedTerms
        where what it is of is gone."""
        kind = get_kind(job.kind) if job.is_kind else None
        if job.is_kind and kind is None:
            raise RefusedTerms({"kind": [f"There is no kind {job.kind!r} any more."]})
        return cls(
            kind=kind, task=None if job.is_kind else task_or_name(job.kind), user=job.owner, via=job.via,
            queue=job.queue, priority=job.priority, title=title, more=more,
        )  # fmt: skip

    @property
    def owner(self) -> Any:
        return self.user if self.user is not None and self.user.pk else None

    @property
    def name(self) -> str:
        """What the row calls it: the kind's slug, the task's name."""
        return self.kind.slug if self.kind else self._task.name

    @property
    def _task(self) -> ForeignTask:
        assert self.task is not None
        return self.task

    @property
    def label(self) -> str:
        return self.kind.label if self.kind else self._task.label

    @property
    def attempts(self) -> int:
        return self.kind.retry.attempts if self.kind else attempts_of_task(self._task.task, 0)

    def title_of(self, params: Mapping[str, Any]) -> str:
        made = self.kind.title(params) if self.kind and not (self.title or self.blocked) else ""
        return (self.title or made).strip()[:200] or self.label[:200]


def kind_for(kind: str | type[Kind], user: Any) -> type[Kind]:
    """The kind of that name. Raises RefusedTerms where there is none, or the user may not submit it."""
    found = get_kind(kind) if isinstance(kind, str) else kind
    if found is None:
        known = ", ".join(each.slug for each in kinds_for(user))
        raise RefusedTerms({"kind": [f"No kind {str(kind)[:80]!r}. There are: {known}."]})
    if not may_submit(user, found):
        raise RefusedTerms({"kind": [f"Only operators may submit “{found.label}”."]})
    return found


def check_operator(user: Any) -> None:
    """Raises RefusedTerms for whoever may not start tasks by name."""
    if user is not None and not is_operator(user):
        raise RefusedTerms({"task": ["Only operators start Celery tasks by name: a task may do anything."]})


def _usable(due_at: datetime | None) -> datetime | None:
    """Raises RefusedTerms for a start that no clock shows, or nobody lives to see."""
    if due_at is not None and not is_usable(due_at):
        raise RefusedTerms({"due_at": [f"{due_at.isoformat()[:40]} cannot be used: {WITHIN}."]})
    return due_at


def _priority(priority: str | int | None) -> int:
    """The stored number of a priority given by name or number."""
    if priority is None or priority == "":
        return priorities.NORMAL
    if priority in priorities.BY_NAME:
        return priorities.BY_NAME[str(priority)]
    if isinstance(priority, int) and not isinstance(priority, bool) and priority in priorities.NAMES:
        return priority
    raise RefusedTerms({"priority": [f"{str(priority)[:80]!r} is none: expected {', '.join(priorities.BY_NAME)}."]})


def queue_for(kind: type[Kind], queue: str | None, user: Any) -> str:
    """The queue of the kind's pool, or another one that an operator chose. Raises RefusedTerms."""
    usual = pool_of(kind)
    if not queue or queue in (kind.pool, usual):
        return usual
    if queue not in (known := choosable_queues()):
        raise RefusedTerms({"queue": [f"There is no queue {queue[:80]!r}: expected {', '.join(known)}."]})
    if user is not None and not is_operator(user):
        raise RefusedTerms({"queue": [f"Only operators choose a queue; {kind.label} runs in {kind.pool}."]})
    return queue


def choosable_queues() -> list[str]:
    """The queues that an operator may choose: those of the pools, and further ones of the settings."""
    more = getattr(settings, "JOBSITE_QUEUES", {})
    return [*POOLS, *(name for names in more.values() for name in names)]
