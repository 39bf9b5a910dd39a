"""What a list of jobs is asked for: the parameters of pages, API, export and bulk, as one Form."""

import re
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone

from jobs.browse import qualifiers
from jobs.core.access import is_operator
from jobs.core.moment import bound
from jobs.core.search_words import words_of
from jobs.core.states import State

#: A shown state as the stored one; scheduled and queued are told apart by the due time.
_STORED = {
    "scheduled": State.PENDING,
    "queued": State.PENDING,
    "running": State.STARTED,
    "retrying": State.RETRY,
    "succeeded": State.SUCCESS,
    "failed": State.FAILURE,
    "cancelled": State.REVOKED,
}
#: A word of the search that is (the start of) one of our own ids.
_OUR_ID = re.compile(r"0[0-9a-f]{7}(-[0-9a-f-]*)?", re.IGNORECASE)
_SHORTEST_ID = 8


@dataclass(frozen=True)
class Query:
    """A checked question for jobs: everything given must hold. `page.py` answers it."""

    #: Key of SHOWN, or "PENDING" for scheduled and queued alike; "" for any, as in the fields below.
    state: str = ""
    kind: str = ""
    queue: str = ""
    #: Primary key of the owner; None: any.
    owner: Any = None
    words: tuple[str, ...] = ()
    error: str = ""
    id_prefix: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def replace(self, **changes: Any) -> "Query":
        return replace(self, **changes)

    @property
    def equal(self) -> dict[str, Any]:
        """Columns that must equal a value."""
        stored = State.PENDING if self.state == "PENDING" else _STORED.get(self.state)
        given = {"state": stored, "kind": self.kind, "queue": self.queue, "owner": self.owner}
        return {name: value for name, value in given.items() if value}

    @property
    def between(self) -> Q:
        """The range of creation."""
        since = Q(created__gte=self.since) if self.since else Q()
        return since & Q(created__lte=self.until) if self.until else since

    @property
    def other(self) -> Q:
        """Conditions that no index serves."""
        condition = Q()
        if self.state == "scheduled":
            condition &= Q(due_at__gt=timezone.now()) | Q(blocked=True)
        elif self.state == "queued":
            condition &= Q(blocked=False) & (Q(due_at__isnull=True) | Q(due_at__lte=timezone.now()))
        if self.error:
            condition &= Q(error_type__icontains=self.error) | Q(error__icontains=self.error)
        return condition

    @property
    def in_state(self) -> Q:
        """The state alone, as a condition."""
        alone = Query(state=self.state)
        return Q(**alone.equal) & alone.other


class JobFilter(forms.Form):
    """Owns the parameters state, kind, queue, owner, q, since and until. `query` is the checked question.

    viewer: who asks; others than operators are given their own jobs only. None: the site itself.
    """

    state = forms.CharField(required=False, max_length=20)
    kind = forms.CharField(required=False, max_length=255)
    queue = forms.CharField(required=False, max_length=100)
    owner = forms.CharField(required=False, max_length=150)
    q = forms.CharField(required=False, max_length=300)
    since = forms.CharField(required=False, max_length=40)
    until = forms.CharField(required=False, max_length=40)

    def __init__(self, data: Any = None, *, viewer: Any = None, **kwargs: Any):
        super().__init__(data if data is not None else {}, **kwargs)
        self.viewer = viewer

    @property
    def query(self) -> Query:
        """Raises KeyError where the form is not valid: check `is_valid()` first."""
        return self.cleaned_data["query"]

    @property
    def terms(self) -> dict[str, str]:
        """What was asked, by parameter, as it was written; without empty ones. Words of `q` are under "q"."""
        given = {name: str(self.cleaned_data.get(name) or "") for name in self.fields}
        try:
            qualified, rest = qualifiers.split(given["q"])
        except ValueError:
            return {name: value for name, value in given.items() if value}
        return {name: value for name, value in {**given, "q": rest, **qualified}.items() if value}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        try:
            qualified, rest = qualifiers.split(data.get("q") or "")
        except ValueError as error:
            self.add_error("q", str(error))
            return data
        values = {name: (data.get(name) or "") for name in ("state", "kind", "queue", "owner", "since", "until")}
        origin = {name: "q" if name in qualified else name for name in (*values, "id")}
        values |= qualified
        words, own_id = _words_and_id(rest)
        data["query"] = Query(
            state=self._checked(origin["state"], qualifiers.state, values["state"]) or "",
            kind=values["kind"],
            queue=values["queue"],
            owner=self._checked(origin["owner"], self._owner, values["owner"]) or self._only_owner(),
            words=tuple(dict.fromkeys([*words, *words_of(values.get("error", ""))])),
            error=values.get("error", ""),
            id_prefix=self._checked(origin["id"], _id_prefix, values.get("id", "")) or own_id,
            since=self._checked(origin["since"], bound, values["since"]),
            until=self._checked(origin["until"], partial(bound, end=True), values["until"]),
        )
        return data

    def _checked(self, field: str, check: Any, value: str) -> Any:
        """The checked value; what is wrong with it is said of the field that it came in."""
        if not value:
            return None
        try:
            return check(value)
        except ValueError as error:
            self.add_error(field, ValidationError(str(error)))
            return None

    def _owner(self, name: str) -> Any:
        if self.viewer is not None and not is_operator(self.viewer):
            if name != self.viewer.get_username():
                raise ValueError("Only your own jobs are shown to you.")
            return self.viewer.pk
        model = get_user_model()
        found = model._default_manager.filter(**{model.USERNAME_FIELD: name}).values_list("pk", flat=True).first()
        if found is None:
            raise ValueError(f"There is no user `{name}`.")
        return found

    def _only_owner(self) -> Any:
        """The owner that the viewer is held to; None for operators."""
        return None if self.viewer is None or is_operator(self.viewer) else self.viewer.pk


def _id_prefix(text: str) -> str:
    if len(text) < _SHORTEST_ID:
        raise ValueError(f"`id:{text}` is too short: give at least {_SHORTEST_ID} characters.")
    return text


def _words_and_id(text: str) -> tuple[list[str], str]:
    """The words of a search, and the one among them that starts one of our ids."""
    ids = [word for word in text.split() if _OUR_ID.fullmatch(word)]
    rest = " ".join(word for word in text.split() if word not in ids[:1])
    return words_of(rest), ids[0].lower() if ids else ""
