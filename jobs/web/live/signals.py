"""What ends or changes somebody's access makes every web process forget what it knew of it."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.sessions.models import Session
from django.db.models.signals import post_delete, post_save

from jobs.models import ApiToken
from jobs.web.live.access import forget

#: Fields that change with every login or request and say nothing about access.
_HARMLESS = {"last_login", "last_used"}


def _saved(sender: Any, update_fields: frozenset[str] | None, created: bool, **_: Any) -> None:
    if not created and (update_fields is None or not update_fields <= _HARMLESS):
        forget()


def _deleted(sender: Any, **_: Any) -> None:
    forget()


def connect() -> None:
    """Tokens and users by saving and deleting; sessions only by deleting: their data says nothing about access."""
    for model in (ApiToken, get_user_model()):
        post_save.connect(_saved, sender=model, dispatch_uid=f"edge-{model.__name__}")
        post_delete.connect(_deleted, sender=model, dispatch_uid=f"edge-{model.__name__}")
    post_delete.connect(_deleted, sender=Session, dispatch_uid="edge-Session")
