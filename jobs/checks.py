"""`manage.py check`: what in a project's settings makes Jobsite see less, or refuse what other workers do."""

from pathlib import Path
from typing import Any

from celery import current_app
from django.conf import settings
from django.core.checks import CheckMessage, Info, Warning, register

from jobs.wire.celery_result import celery_keeps_results, is_ours

_GREEN = ("eventlet", "gevent")


@register("jobs")
def static_files(**kwargs: Any) -> list[CheckMessage]:
    """Without its style sheet a page is there, and nobody can read it."""
    from django.contrib.staticfiles import finders

    if finders.find("jobsite.css") is None:
        return [
            Warning(
                "Jobsite's static files are not found: its pages have neither style nor scripts.",
                hint="STATICFILES_DIRS = [..., jobs.conf.STATIC]",
                id="jobs.W002",
            )
        ]
    root = settings.STATIC_ROOT
    if not settings.DEBUG and (not root or not (Path(root) / "jobsite.css").exists()):
        return [
            Warning(
                "DEBUG is off, where Django serves no static files by itself, and Jobsite's are not collected in "
                f"STATIC_ROOT ({root or 'not set'}): its pages have neither style nor scripts.",
                hint="Set STATIC_ROOT, run manage.py collectstatic, and have your web server serve that folder; "
                "manage.py web does both by itself.",
                id="jobs.W003",
            )
        ]
    return []


@register("jobs")
def results_backend(**kwargs: Any) -> list[CheckMessage]:
    """Every task is recorded beside any results backend; what is lost without ours is told."""
    if is_ours():
        return []
    name = str(current_app.conf.result_backend or "none")
    found: list[CheckMessage] = [
        Info(
            f"Celery's results are kept by {name.split('://')[0]}, and stay there. Jobsite records every task all the "
            "same. Less is seen: clients hear of a waiting job that was cancelled here once a worker meets its "
            "message, and of one whose worker vanished never; each state costs a call of it and one of Redis.",
            hint="CELERY_RESULT_BACKEND = f'jobs.worker.backend:Backend+{CELERY_BROKER_URL}' keeps results in Redis, "
            "where any Celery client reads them, with one call a state.",
            id="jobs.I001",
        )
    ]
    if celery_keeps_results() and settings.IO_POOL in _GREEN:
        found.append(
            Warning(
                f"Results go to SQL (django-db), and `manage.py worker io` uses {settings.IO_POOL}, where SQL is "
                "refused, since the driver would stop all other jobs: tasks that run there keep no result.",
                hint="Keep results in Redis (see jobs.I001), give such tasks ignore_result, run them in the queue cpu, "
                "or set IO_POOL to threads.",
                id="jobs.W001",
            )
        )
    return found
