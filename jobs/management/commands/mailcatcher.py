import asyncio
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from jobs.mailbox.server import serve
from jobs.management import standing


class Command(BaseCommand):
    help = "Catch mail on this machine, for the page Mailbox. Writes its URL to smtp.url in VAR_DIR."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--port", type=int, help="Port of 127.0.0.1; 0 takes a free one. Left out: the one of the run before."
        )

    def handle(self, *args: Any, port: int | None, **options: Any) -> None:
        if port is not None and not 0 <= port <= 65535:
            raise CommandError(f"--port {port}: expected a number from 0 to 65535")
        standing.tell(self.stderr.write)
        try:
            asyncio.run(serve(settings.VAR_DIR / "smtp.url", port))
        except OSError as error:
            raise CommandError(f"cannot listen on 127.0.0.1, port {port}: {error.strerror}") from error
