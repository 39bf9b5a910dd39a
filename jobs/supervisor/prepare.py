"""What must be true before the processes start: closed folders, tables, a first user, collected static files."""

import hashlib
import os
import secrets
from pathlib import Path

from jobs.core import private
from jobs.supervisor.files import read_text, waiting_lock, write_private

#: Every page has it.
A_STATIC_FILE = "jobsite.css"


def close_to_others(var_dir: Path) -> str:
    """Close all that VAR_DIR holds to other users; what is to be said where something stays open, "" where nothing."""
    left = private.tighten(var_dir)
    if not left:
        return ""
    more = f" and {len(left) - 1:,} more" if len(left) > 1 else ""
    return f"other users may read {left[0]}{more}: its mode cannot be changed. Give it to the user who runs this: chown"


def is_up_to_date() -> bool:
    """Whether the database has all migrations. Raises DatabaseError where it cannot be asked."""
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def migrate() -> bool:
    """Bring the database up to date; whether there was anything to do."""
    from django.core.management import call_command

    if is_up_to_date():
        return False
    call_command("migrate", interactive=False, verbosity=0)
    return True


def first_user() -> str:
    """Make the superuser `admin` where there is no superuser yet.

    Returns what to tell people of the password: itself where it was drawn, where it came from otherwise,
    "" where nobody was made.
    """
    from django.contrib.auth import get_user_model

    users = get_user_model()._default_manager
    if users.filter(is_superuser=True).exists() or users.filter(username="admin").exists():
        return ""
    given = os.environ.get("JOBSITE_ADMIN_PASSWORD", "")
    password = given or secrets.token_urlsafe(12)
    users.create_superuser("admin", password=password)
    return "the password in JOBSITE_ADMIN_PASSWORD" if given else password


def bring_static() -> str:
    """Have the static files ready for a web server; what is missing in one line, "" where nothing is.

    Those of this site lie in VAR_DIR, and are collected here: a second machine has not those that `prepare` made on
    the first. A project with a STATIC_ROOT of its own collects them itself.
    """
    from django.conf import settings
    from django.contrib.staticfiles.storage import staticfiles_storage

    if settings.DEBUG:
        return ""
    try:
        if settings.STATIC_ROOT and Path(settings.STATIC_ROOT).is_relative_to(settings.VAR_DIR):
            with waiting_lock(Path(settings.VAR_DIR) / "static.lock"):
                collect_static(Path(settings.VAR_DIR) / "static.stamp")
        staticfiles_storage.url(A_STATIC_FILE)
    except OSError as error:
        return f"The static files cannot be collected into {settings.STATIC_ROOT}: {error.strerror or error}"
    except ValueError:
        return "The static files are missing, and pages with them. Run: manage.py collectstatic"
    return ""


def collect_static(stamp: Path) -> bool:
    """Collect the static files unless they are as they were the last time; whether it was done."""
    from django.conf import settings
    from django.contrib.staticfiles.finders import get_finders
    from django.core.management import call_command

    digest = hashlib.sha256(str(settings.STORAGES["staticfiles"]).encode())
    for finder in get_finders():
        for path, storage in finder.list([]):
            found = Path(storage.path(path)).stat()
            digest.update(f"{path}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    if read_text(stamp) == digest.hexdigest() and (Path(settings.STATIC_ROOT) / "staticfiles.json").exists():
        return False
    call_command("collectstatic", interactive=False, verbosity=0)
    write_private(stamp, digest.hexdigest())
    return True
