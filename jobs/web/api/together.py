"""POST jobs of several callers at once: each is checked by itself, all are stored in one transaction and published."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from django.db import DatabaseError, OperationalError
from django.http import HttpRequest, HttpResponse

from jobs.core.errors import OverQuota
from jobs.models.writing import write
from jobs.submit import quota
from jobs.submit.submission import Draft, insert_drafts, publish_now
from jobs.web.api.accept import accepted, draft_job, submit_job
from jobs.web.api.body import Body
from jobs.web.api.endpoint import CALLS, checked, finish
from jobs.web.api.problem import problem_of

_CALL = next(call for call in CALLS if call.handler is submit_job)


@dataclass(slots=True, eq=False)
class _Turn:
    """One request on its way to its answer, by way of a job to be stored where it is in order."""

    request: HttpRequest
    body: Body = field(default_factory=Body)
    draft: Draft | None = None
    answer: HttpResponse | None = None

    def check(self) -> HttpResponse | None:
        [self.body] = checked(_CALL, self.request)
        if self.body.get("task") is not None:
            return self.alone()
        self.draft = draft_job(self.request, self.body)
        return None

    def alone(self) -> HttpResponse:
        return submit_job(self.request, self.body)

    def settle(self, make: Callable[[], HttpResponse | None]) -> None:
        """Let `make` answer, or tell the problem that it raises."""
        try:
            self.answer = make()
        except Exception as error:
            self.answer = problem_of(error).response()


def submit_together(requests: Sequence[HttpRequest]) -> list[HttpResponse]:
    """Of each the answer that `submit_job` would give it alone; they come without files and Idempotency-Key."""
    turns = [_Turn(request) for request in requests]
    for turn in turns:
        turn.settle(turn.check)
    _within_quota(turns)
    # In one order everywhere: of two groups that hold the same jobs that are to be there once, none waits for a row of
    # the other's that waits for one of its own.
    if drafts := [(turn, turn.draft) for turn in turns if turn.draft is not None]:
        _store(dict(sorted(drafts, key=lambda one: (one[1].job.kind, one[1].job.unique_key or ""))))
    return [finish(turn.answer) for turn in turns if turn.answer is not None]


def _within_quota(turns: Sequence[_Turn]) -> None:
    """Near an owner's quota each of a group alone would be let in, since none of the others is stored yet."""
    groups: dict[int, list[_Turn]] = defaultdict(list)
    for turn in turns:
        if turn.draft is not None and turn.draft.job.owner_id is not None:
            groups[turn.draft.job.owner_id].append(turn)
    for group in groups.values():
        try:
            quota.check(group[0].request.user, len(group))
        except OverQuota:
            for turn in group:
                turn.draft = None
                turn.settle(turn.alone)


def _store(drafts: dict[_Turn, Draft]) -> None:
    try:
        with write():
            insert_drafts(list(drafts.values()))
    except OperationalError as error:
        problem = problem_of(error)  # of the database, for all alike
        for turn in drafts:
            turn.answer = problem.response()
    except DatabaseError:
        # Nothing was stored. One of them was not taken, and which one shows where each is submitted alone.
        for turn in drafts:
            turn.settle(turn.alone)
    else:
        publish_now([draft.job for draft in drafts.values()])
        for turn, draft in drafts.items():
            turn.answer = accepted(draft.job, known=False)
