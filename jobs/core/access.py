"""Who may see and do what: the one place where permissions are decided."""

from typing import Any

from django.conf import settings

from jobs.core.kind import Kind

EVERYBODY, STAFF = "everybody", "staff"

#: Scopes of tokens, each including those before it.
SCOPES = ("read", "write", "admin")


def is_operator(user: Any) -> bool:
    """Operators see and steer every job; others only their own."""
    return bool(user.is_active and user.is_staff)


def is_admitted(user: Any) -> bool:
    """Whether somebody who is logged in may come in at all. In a project that has accounts for its own purposes, those
    of customers perhaps, that is the staff unless JOBSITE_ADMITS says "everybody"."""
    return bool(user.is_active and (user.is_staff or settings.JOBSITE_ADMITS == EVERYBODY))


def may_see(user: Any, owner_id: int | None) -> bool:
    return is_operator(user) or (owner_id is not None and user.pk == owner_id)


def may_change(user: Any, owner_id: int | None) -> bool:
    return may_see(user, owner_id)


def may_submit(user: Any, kind: type[Kind]) -> bool:
    """user: None is the site itself: its command line, and schedules without owner."""
    return not kind.operators_only or user is None or is_operator(user)


def allows(scope: str, needed: str) -> bool:
    """Whether a token of `scope` covers what needs `needed`."""
    return SCOPES.index(scope) >= SCOPES.index(needed)
