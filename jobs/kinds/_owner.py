"""Whose eyes a kind sees with: the job's owner, for kinds that read or write jobs themselves."""

from typing import Any

from jobs.core.errors import PermanentError
from jobs.core.kind import Context


def owner_of(ctx: Context) -> Any:
    """The user who owns the job; None where it has no owner, which only the site itself can submit.

    Raises PermanentError for an owner who is gone or may no longer log in.
    """
    from django.contrib.auth import get_user_model

    if not ctx.owner:
        return None
    users = get_user_model()
    user = users._default_manager.filter(**{users.USERNAME_FIELD: ctx.owner}).first()
    if user is None or not user.is_active:
        raise PermanentError(f"{ctx.owner}, who owns this job, has no active account any more.")
    return user
