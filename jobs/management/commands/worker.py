"""`manage.py worker io|cpu`: a Celery worker with the right pool for the queue."""

import importlib.util
import os
import sys
from argparse import ArgumentTypeError
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from jobs.core.kind import POOLS
from jobs.management import standing


def positive(raw: str) -> int:
    if not raw.isdecimal() or int(raw) < 1:
        raise ArgumentTypeError(f"{raw!r} must be a whole number from 1")
    return int(raw)


class Command(BaseCommand):
    help = "Run the jobs of one queue: io (waiting: eventlet by default) or cpu (computing: prefork)."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("pool", choices=POOLS)
        parser.add_argument(
            "--concurrency", "-c", type=positive, help="jobs at a time (default: IO_CONCURRENCY or CPU_CONCURRENCY)"
        )
        parser.add_argument(
            "--processes",
            type=positive,
            help="io only: processes, each with its own concurrency (default: IO_PROCESSES)",
        )

    def handle(
        self, *args: Any, pool: str, concurrency: int | None, processes: int | None, **options: Any
    ) -> None:  # fmt: skip
        from jobs.supervisor import openfiles
        from jobs.supervisor.worker import claim_node, worker_argv

        openfiles.raise_limit()
        standing.tell(self.stderr.write)
        if pool == "cpu" and processes:
            raise CommandError("--processes is for the io worker; the cpu worker has --concurrency processes")
        if pool == "io" and settings.IO_POOL == "gevent" and not importlib.util.find_spec("gevent"):
            raise CommandError("IO_POOL=gevent, but gevent is not installed: pip install gevent, or IO_POOL=eventlet")
        count = (processes or settings.IO_PROCESSES) if pool == "io" else 1
        if count > 1:
            sys.exit(self._run_many(count, concurrency))
        argv = worker_argv(pool, concurrency, claim_node(pool, settings.VAR_DIR))
        os.chdir(settings.BASE_DIR)
        os.execv(argv[0], argv)  # noqa: S606 (our own interpreter)

    def _run_many(self, count: int, concurrency: int | None) -> int:
        from jobs.supervisor.processes import run_many

        one = [sys.executable, str(settings.BASE_DIR / "manage.py"), "worker", "io", "--processes", "1"]
        more = ["--concurrency", str(concurrency)] if concurrency else []
        code = run_many([*one, *more], count, self.stderr.write)
        return code if code >= 0 else 128 - code
