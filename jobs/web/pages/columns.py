"""The columns of the page Jobs beside state and title: which there are, and which a user has chosen."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.http import require_POST

from jobs.core import priorities
from jobs.core.access import is_operator
from jobs.models import ChosenColumns, Job
from jobs.web.pages import asked


@dataclass(frozen=True)
class Column:
    key: str
    label: str
    #: Shown to those who have chosen nothing.
    usual: bool = False
    for_operators: bool = False
    #: Times and lengths: stands right.
    is_number: bool = False
    #: The cell; without it the template draws it.
    text: Callable[[Job], str] = lambda job: ""


COLUMNS = (
    Column("owner", "Owner", usual=True, for_operators=True, text=lambda job: str(job.owner or "")),
    Column("queue", "Queue", usual=True, for_operators=True, text=lambda job: job.queue),
    Column("priority", "Priority", text=lambda job: priorities.NAMES.get(job.priority, str(job.priority))),
    Column("worker", "Worker", for_operators=True, text=lambda job: job.worker),
    Column("attempt", "Attempt", text=lambda job: job.tries.removeprefix("attempt ")),
    Column("via", "Came by", text=lambda job: job.get_via_display()),
    Column("id", "Id", text=lambda job: job.id),
    Column("created", "Submitted", is_number=True),
    Column("due", "Due", is_number=True),
    Column("waited", "Waited", is_number=True),
    Column("took", "Took", usual=True, is_number=True),
    Column("changed", "Changed", usual=True, is_number=True),
)  # fmt: skip


def offered(user: Any) -> list[Column]:
    return [column for column in COLUMNS if is_operator(user) or not column.for_operators]


def chosen(user: Any) -> list[Column]:
    """The columns that a user sees, in order."""
    keys = ChosenColumns.objects.filter(user=user.pk).values_list("columns", flat=True).first()
    keys = keys if isinstance(keys, list) else None
    return [column for column in offered(user) if (column.usual if keys is None else column.key in keys)]


def choose(user: Any, keys: Collection[str]) -> None:
    known = [column.key for column in offered(user) if column.key in keys]
    ChosenColumns.objects.update_or_create(user=user, defaults={"columns": known})


@login_required
@require_POST
def save(request: HttpRequest) -> HttpResponse:
    """Remember the ticked columns, or forget the choice."""
    if "usual" in request.POST:
        ChosenColumns.objects.filter(user=request.user.pk).delete()
    else:
        choose(request.user, request.POST.getlist("column"))
    return asked.back(request)


urlpatterns = [path("jobs/columns", save, name="jobs-columns")]
