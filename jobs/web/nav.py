"""The nav: which pages there are, for whom, and where the reader is."""

from dataclasses import dataclass, replace
from datetime import timedelta

from django.conf import settings
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from jobs.browse.failures import failed_since
from jobs.core.access import is_operator
from jobs.models import Schedule, Workflow

OPERATE = "Operate"
#: Failures are counted up to here: beyond it the exact figure costs more than it tells.
COUNT_CAP = 99
#: So many failures are looked at for those that nobody ignores.
COUNTED = 1_000


@dataclass(frozen=True)
class Item:
    name: str
    label: str
    icon: str
    #: Title of the group that the item stands in; the template prints it where it changes.
    group: str = ""
    url: str = ""
    current: bool = False
    count: str = ""


OPERATOR_ITEMS = (
    Item("overview", "Overview", "layout-dashboard"),
    Item("new", "New job", "circle-plus"),
    Item("jobs", "Jobs", "list-checks"),
    Item("failures", "Failures", "triangle-alert"),
    Item("schedules", "Schedules", "calendar-clock"),
    Item("workflows", "Workflows", "workflow"),
    Item("workers", "Workers & queues", "server", OPERATE),
    Item("mailbox", "Mailbox", "mail", OPERATE),
    Item("suppression", "Suppression list", "ban", OPERATE),
    Item("audit", "Audit", "scroll-text", OPERATE),
    Item("tokens", "Tokens", "key-round", OPERATE),
)
SUBMITTER_ITEMS = (
    Item("new", "New job", "circle-plus"),
    Item("jobs", "My jobs", "list-checks"),
)
#: For those submitters whom one belongs to.
OWN_SCHEDULES = Item("schedules", "My schedules", "calendar-clock")
OWN_WORKFLOWS = Item("workflows", "My workflows", "workflow")
PHONE_NAMES = ("overview", "new", "jobs")


def nav_for(request: HttpRequest) -> list[Item]:
    """The pages that exist and that the user may open, the current one marked."""
    items = _items(request)
    if items is SUBMITTER_ITEMS:
        own = ((OWN_SCHEDULES, Schedule.objects), (OWN_WORKFLOWS, Workflow.objects))
        items = (*items, *(item for item, rows in own if rows.filter(owner=request.user.pk).exists()))
    return [found for item in items if (found := _resolved(item, request))]


def phone_nav(request: HttpRequest) -> list[Item]:
    # Chosen before they are resolved: the count of failures is not among them, and costs two statements.
    return [found for item in _items(request) if item.name in PHONE_NAMES and (found := _resolved(item, request))]


def _items(request: HttpRequest) -> tuple[Item, ...]:
    return OPERATOR_ITEMS if is_operator(request.user) else SUBMITTER_ITEMS


def page_url(name: str) -> str:
    """The URL of a page by its name, "" where the site has no such page."""
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""


def _resolved(item: Item, request: HttpRequest) -> Item | None:
    """The item with its URL; None where the site has no such page."""
    if item.name == "mailbox" and not settings.EMAIL_IS_CAUGHT:
        return None
    url = page_url(item.name)
    if not url:
        return None
    here = request.path == url or (url != reverse("overview") and request.path.startswith(url.rstrip("/") + "/"))
    return replace(item, url=url, current=here, count=_failures() if item.name == "failures" else "")


def _failures() -> str:
    """How many jobs of the last 24 hours failed: "", "3", "99+"."""
    since = timezone.now() - timedelta(days=1)
    count = failed_since(since, COUNTED)[: COUNT_CAP + 1].count()
    return f"{COUNT_CAP}+" if count > COUNT_CAP else str(count or "")
