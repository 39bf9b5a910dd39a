import os

from django.apps import AppConfig

from tests.faults import ledger


class Faults(AppConfig):
    name = "tests.faults"

    def ready(self) -> None:
        if os.environ.get(ledger.VARIABLE):
            from jobs.kinds.examples import Add, Compute, Flaky
            from jobs.kinds.http import SendRequest

            for kind in (Add, Compute, Flaky, SendRequest):
                ledger.watch(kind)
