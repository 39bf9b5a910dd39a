"""What must be true before the processes start: tables, a first user, collected static files."""

import hashlib
import os
import secrets
from pathlib import Path

from jobs.supervisor.files import read_text, write_private


def migrate() -> bool:
    """Bring the database up to date; whether there was anything to do."""
    from django.core.management import call_command
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
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
