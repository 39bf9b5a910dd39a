from django.urls import URLPattern, URLResolver, include, path

from jobs.web import converters  # noqa: F401 - registers them
from jobs.web.admitted import for_the_admitted
from jobs.web.pages import (
    account,
    audit,
    bulk,
    columns,
    failures,
    job,
    jobs,
    mailbox,
    new,
    new_task,
    overview,
    schedules,
    suppression,
    theme,
    tokens,
    views,
    workers,
    workflow_new,
    workflow_ready,
    workflows,
)
from jobs.web.slashes import with_slash

#: Open to everybody who has an account here, for their password's sake.
_account: list[URLPattern] = account.urlpatterns
_pages: list[URLPattern] = for_the_admitted([
    *theme.urlpatterns,
    *new_task.urlpatterns,
    *new.urlpatterns,
    *overview.urlpatterns,
    *failures.urlpatterns,
    *workers.urlpatterns,
    *audit.urlpatterns,
    *mailbox.urlpatterns,
    *suppression.urlpatterns,
    *schedules.urlpatterns,
    *tokens.urlpatterns,
    *jobs.urlpatterns,
    *bulk.urlpatterns,
    *columns.urlpatterns,
    *views.urlpatterns,
    *workflow_ready.urlpatterns,
    *workflow_new.urlpatterns,
    *workflows.urlpatterns,
])  # fmt: skip
urlpatterns: list[URLPattern | URLResolver] = [
    # First: programs ask far more often than people, and Django tries one address after the other.
    path("", include("jobs.web.api.urls")),
    *_account,
    *_pages,
    *with_slash([*_account, *_pages]),
    *for_the_admitted([*job.urlpatterns, *workflows.of_one]),
]
