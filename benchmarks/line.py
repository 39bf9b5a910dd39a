"""The keeper alone: events a second from a stream that was filled before, into Job, Attempt and TaskResult."""

import json
from argparse import Namespace
from statistics import median

from benchmarks.site import site
from benchmarks.told import tell


def run(options: Namespace) -> None:
    rates, costs = [], []
    for _ in range(options.repeats):
        with site(postgres=options.postgres) as here:
            found = json.loads(here.python("-m", "benchmarks.keeper", str(options.tasks)).splitlines()[-1])
        rates.append(found["events"] / found["seconds"])
        costs.append(found["cpu"] / found["events"] * 1e6)
    tell("keeper alone, all tables", median(rates), " events/s", budget=10_000, more_is_better=True,
         note=f"{median(costs):.0f} µs of its CPU each")  # fmt: skip
