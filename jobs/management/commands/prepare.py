"""`manage.py prepare`: what has to be true before the processes start; `manage.py up` does it by itself."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    help = "Bring the database up to date, make the first user, collect the static files."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        from jobs.supervisor import prepare

        if warning := prepare.close_to_others(settings.VAR_DIR):
            self.stderr.write(warning)
        self.stdout.write("database brought up to date" if prepare.migrate() else "database is up to date")
        if login := prepare.first_user():
            self.stdout.write(f"sign in as admin / {login}")
        if not settings.DEBUG and prepare.collect_static(settings.VAR_DIR / "static.stamp"):
            self.stdout.write("static files collected")
