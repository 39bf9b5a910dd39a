"""What the app reads from Django's settings, each with the value that it has where a project does not define it.

`JobsConfig` puts the missing ones into the settings when Django starts, so that all code reads `settings.NAME`.
docs/embedding.md is for people; jobsite/settings.py defines all of them from the environment.
"""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from jobs.core import private
from jobs.wire import redis_url

#: The site's own pages beside the app (login, errors) and its static files, for TEMPLATES and STATICFILES_DIRS.
TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
STATIC = Path(__file__).resolve().parent.parent / "static"


def _redis_url() -> str:
    """The broker's. One that is no Redis, or is found through sentinels, is refused in `fill_in`: a guess would put the
    records of jobs where nobody looks."""
    url = str(getattr(settings, "CELERY_BROKER_URL", "") or "redis://127.0.0.1:6379/0")
    return _usable(redis_url.with_ssl, url, getattr(settings, "CELERY_BROKER_USE_SSL", None))


def _usable(read: Callable[..., str], *given: Any) -> str:
    try:
        return read(*given)
    except ValueError as error:
        raise ImproperlyConfigured(
            f"The Redis of Jobsite (REDIS_URL, else CELERY_BROKER_URL) cannot be used: {error}"
        ) from None


def _celery_app() -> str:
    """By Celery's own custom: the package that holds the settings."""
    return str(settings.SETTINGS_MODULE).partition(".")[0]


def _asgi() -> str:
    return str(settings.WSGI_APPLICATION or f"{_celery_app()}.wsgi.application").replace(".wsgi.", ".asgi.")


def _storages() -> dict[str, Any]:
    """The project's own, and one for the files of jobs, whose addresses nobody may guess."""
    place = {
        "location": str(Path(settings.VAR_DIR) / "files"), "base_url": None,
        "file_permissions_mode": private.FILE, "directory_permissions_mode": private.FOLDER,
    }  # fmt: skip
    return {
        "jobs": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": place},
        **settings.STORAGES,
    }


#: In this order: later ones may follow from earlier ones. A function is called when the setting is missing.
DEFAULTS: dict[str, Any] = {
    "BASE_DIR": Path.cwd,
    "VAR_DIR": lambda: Path(settings.BASE_DIR) / "var",
    "HOST": "127.0.0.1",
    "PORT": 8000,
    "BASE_URL": lambda: f"http://{settings.HOST}:{settings.PORT}",
    "TRUSTED_PROXIES": list,
    "REDIS_URL": _redis_url,
    #: Where a project names no Redis, `manage.py up` starts one; a foreign project has its own.
    "REDIS_URL_GIVEN": lambda: settings.REDIS_URL,
    "ASGI_APPLICATION": _asgi,
    "JOBSITE_CELERY_APP": _celery_app,
    "JOBSITE_QUEUES": dict,
    #: Who may come in: "staff", or "everybody" who has an account.
    "JOBSITE_ADMITS": "staff",
    #: Slugs of the kinds of Jobsite's own that are offered, or "all".
    "JOBSITE_KINDS": list,
    "EMAIL_IS_CAUGHT": False,
    "ALLOWED_SENDERS": list,
    "ALLOW_PRIVATE_URLS": False,
    "CONNECTIONS_PER_ADDRESS": 1000,
    "WEB_PROCESSES": lambda: min(2, os.cpu_count() or 1),
    "IO_POOL": "eventlet",
    "IO_CONCURRENCY": 200,
    "IO_PROCESSES": 1,
    "CPU_CONCURRENCY": lambda: os.cpu_count() or 1,
    "LOOP_BLOCK_THRESHOLD": 250,
    "LOOP_BLOCK_MOVES": 0,
    "RETENTION_DAYS": 30,
    "QUOTA_UNFINISHED": 100_000,
    "QUOTA_UPLOADS": 10_000,
    "QUOTA_UPLOAD_BYTES": 10 * 1024**3,
}


def fill_in() -> None:
    """Give every missing setting its value; make the folder of what is kept, and the storage of jobs' files."""
    for name, default in DEFAULTS.items():
        if not hasattr(settings, name):
            setattr(settings, name, default() if callable(default) else default)
    settings.REDIS_URL = _usable(redis_url.for_redis_py, settings.REDIS_URL)
    private.make_folder(Path(settings.VAR_DIR))
    _have_room_for_temporary_files(Path(settings.VAR_DIR) / "tmp")
    if "jobs" not in settings.STORAGES:
        settings.STORAGES = _storages()


def _have_room_for_temporary_files(folder: Path) -> None:
    """Where no usual place takes them, as on a read-only root without a /tmp, they go into VAR_DIR: also those of the
    processes that this one starts."""
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        private.make_folder(folder)
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
