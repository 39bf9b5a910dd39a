"""Workflows that somebody may see, newest first. What a page costs does not depend on how many there are."""

import base64
import binascii
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from jobs.core.access import is_operator, may_see
from jobs.core.errors import Refused
from jobs.models import Workflow
from jobs.workflows.outlook import Outlook, outlooks

LIMIT = 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Page:
    """`older` and `newer`: cursors of the pages before and after this one, "" where there are none."""

    outlooks: list[Outlook] = field(default_factory=list)
    older: str = ""
    newer: str = ""


def visible_to(viewer: Any) -> QuerySet[Workflow]:
    rows = Workflow.objects.select_related("owner")
    return rows if is_operator(viewer) else rows.filter(owner=viewer.pk)


def find(workflow_id: str, viewer: Any) -> Workflow | None:
    """One answer for what is not there and what the viewer may not see, so that ids cannot be tried out."""
    found = Workflow.objects.select_related("owner").filter(pk=workflow_id).first()
    return found if found and may_see(viewer, found.owner_id) else None


def page(viewer: Any, cursor: str = "", limit: int = LIMIT) -> Page:
    """Raises Refused for a cursor that no page has handed out."""
    rows, turned = visible_to(viewer), False
    if cursor:
        turned, created, key = _parse(cursor)
        if turned:
            rows = rows.filter(Q(created__gte=created) & (Q(created__gt=created) | Q(pk__gt=key)))
        else:
            rows = rows.filter(Q(created__lte=created) & (Q(created__lt=created) | Q(pk__lt=key)))
    found = list(rows.order_by(*(("created", "pk") if turned else ("-created", "-pk")))[: limit + 1])
    if turned and len(found) <= limit:
        return page(viewer, "", limit)  # the newest page, and a full one
    more, shown = len(found) > limit, found[:limit]
    if turned:
        shown.reverse()
    return Page(
        outlooks(shown),
        older=_cursor("o", shown[-1]) if shown and (more or turned) else "",
        newer=_cursor("n", shown[0]) if shown and cursor else "",
    )


def _cursor(way: str, workflow: Workflow) -> str:
    micros = (workflow.created - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(f"{way}{micros}.{workflow.pk}".encode()).decode().rstrip("=")


def _parse(token: str) -> tuple[bool, datetime, str]:
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        micros, _, key = base64.b64decode(padded, b"-_", validate=True).decode().partition(".")
        if micros[0] not in "no" or "\0" in key:
            raise ValueError(token)
        return micros[0] == "n", _EPOCH + timedelta(microseconds=int(micros[1:])), key
    except (ValueError, IndexError, OverflowError, binascii.Error):
        raise Refused({"cursor": ["This is no cursor of ours: take one from a page, or leave it out."]}) from None
