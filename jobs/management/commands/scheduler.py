import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand

from jobs.management import standing
from jobs.schedules.scheduler import run


class Command(BaseCommand):
    help = "Start the jobs of schedules when they are due. Several may run; one acts."

    def handle(self, *args: Any, **options: Any) -> None:
        standing.tell(self.stderr.write)
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        run(stop)
