"""`manage.py up`: all of Jobsite in one command."""

import errno
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    help = "Run web, workers, keeper, scheduler and, where none is named, Redis and a mail catcher."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        from jobs.supervisor.site import CannotStart, Site

        try:
            Site().run()
        except CannotStart as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise CommandError(f"the disk of {settings.VAR_DIR} is full") from error
