import signal
from typing import Any

from django.core.management.base import BaseCommand

from jobs.keeper.loop import Keeper
from jobs.management import standing


class Command(BaseCommand):
    help = "Record what workers tell, dispatch what is due, rescue what was lost. Several may run; one acts."

    def handle(self, *args: Any, **options: Any) -> None:
        standing.tell(self.stderr.write)
        keeper = Keeper()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: keeper.stop())
        keeper.run()
