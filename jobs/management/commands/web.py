"""`manage.py web`: the web server."""

import errno
import socket
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from jobs.management import standing


class Command(BaseCommand):
    help = "Serve pages, the REST API and live updates."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default=settings.HOST, help="address to listen on (HOST)")
        parser.add_argument("--port", type=int, default=settings.PORT, help="port to listen on (PORT)")
        parser.add_argument(
            "--workers", type=int, default=settings.WEB_PROCESSES, help="processes that share the port (WEB_PROCESSES)"
        )

    def handle(self, *, host: str, port: int, workers: int, **_: Any) -> None:
        from jobs.supervisor.prepare import bring_static
        from jobs.web.live.server import serve

        listening = self._listen(host, port)
        standing.tell(self.stderr.write)
        if missing := bring_static():
            self.stderr.write(missing)
        self.stdout.write(f"Jobsite on {settings.BASE_URL}")
        self.stdout.flush()
        sys.exit(serve(listening, max(1, workers)))

    def _listen(self, host: str, port: int) -> socket.socket:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
            listening.listen(2048)
        except (OSError, OverflowError) as error:
            if getattr(error, "errno", None) == errno.EADDRINUSE:
                reason = f"port {port} on {host} is taken by another program. Set PORT to a free one."
            else:
                reason = f"cannot listen on {host}, port {port}: {error}"
            self.stderr.write(self.style.ERROR(f"web: {reason}"))
            sys.exit(1)
        return listening
