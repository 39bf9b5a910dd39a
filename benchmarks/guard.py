"""The loop guard's cost: two processes with a hundred green threads each, one of them guarded.

The threads sleep and wake ten times a second, so that the loop turns as in a worker that waits; no CPU is spent on
anything else.
"""

import json
import sys
import time
from argparse import Namespace
from statistics import median

from benchmarks.alone import measured
from benchmarks.site import site
from benchmarks.told import tell

GREENS = 100
#: Percent of a core.
BUDGET = 1.0


def run(options: Namespace) -> None:
    seconds = str(max(options.seconds, 2.0) * (1 if options.quick else 3))
    spent: dict[str, list[float]] = {"on": [], "off": []}
    with site() as here:
        for _ in range(options.repeats):
            for guarded, found in spent.items():
                environment = here.environment | {"PYTHONWARNINGS": "ignore"}  # eventlet's own notice
                cost = measured("benchmarks.guard", guarded, seconds, environment=environment)
                found.append(cost.said["percent"])
    on, off = median(spent["on"]), median(spent["off"])
    tell("loop guard", on - off, "% of a core", budget=BUDGET, note=f"{on:.2f} % with it, {off:.2f} % without")


def spin(guarded: str, seconds: float) -> None:
    import eventlet

    eventlet.monkey_patch()
    import django

    django.setup()
    from django.conf import settings

    from jobs.worker.loopguard import LoopGuard

    def wake() -> None:
        while True:
            time.sleep(0.1)

    for _ in range(GREENS):
        eventlet.spawn_n(wake)
    if guarded == "on":
        loop = LoopGuard(settings.LOOP_BLOCK_THRESHOLD / 1000)
        eventlet.spawn_n(loop.beat)
        loop.start()
    time.sleep(1)
    began, cpu = time.perf_counter(), time.process_time()
    time.sleep(seconds)
    spent = (time.process_time() - cpu) / (time.perf_counter() - began)
    print(json.dumps({"percent": spent * 100}))


if __name__ == "__main__":
    spin(sys.argv[1], float(sys.argv[2]))
