"""python -m benchmarks [NAME…]: measure, and hold the figures to the budgets.

--sizes 100000 1000000   finished jobs in the lists      --tasks 5000     no-op tasks, jobs of the keeper
--seconds 3              of each round                   --repeats 3      rounds, of which the median counts
--quick                  one short round of everything: whether it runs, not what it can do
"""

import argparse
import importlib
import os
import time

#: What each is, in the order they run.
NAMES = {
    "browse": "lists and searches over REST, beside Flower",
    "web": "polls, submitting and bulk submitting over REST, beside Flower",
    "pages": "an event to 1,000 open pages",
    "line": "the keeper alone",
    "recorded": "no-op tasks recorded, beside stock results",
    "feeds": "1,000 slow feeds through one io worker, beside prefork",
    "pools": "what a task costs in each pool, and the memory of 1,000 that wait",
    "sweep": "waiting, computing and no work over pools and concurrencies, 10 to 1,000",
    "guard": "the loop guard's CPU time",
    "image": "photographs made smaller, beside Pillow",
    "report": "a report of a million rows, beside pandas and ReportLab",
    "export": "the memory of an export of the job history, in each format",
    "schedules": "10,000 schedules: idle, due at once, due each second, beside stock DatabaseScheduler",
    "servers": "uvicorn beneath the edge, beside granian",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(f"{n}: {t}" for n, t in NAMES.items()))
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--tasks", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--flower-tasks", type=int, default=10_000, help="in Flower's memory, for polls")
    parser.add_argument(
        "--most-flower", type=int, default=100_000, help="beyond it lists have no peer: feeding it is slow"
    )
    parser.add_argument("--postgres", action="store_true", help="PostgreSQL from its wheel in place of SQLite")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}: there are {', '.join(NAMES)}")
    if options.quick:
        options.sizes, options.tasks, options.seconds, options.repeats = [10_000], 1_000, 1.0, 1
        options.flower_tasks = 1_000
    for name in options.names or NAMES:
        began = time.monotonic()
        print(f"\n{name}: {NAMES[name]}")
        importlib.import_module(f"benchmarks.{name}").run(options)
        print(f"({time.monotonic() - began:.0f} s; load average {os.getloadavg()[1]:.1f} on {os.cpu_count()} cores)")


main()
