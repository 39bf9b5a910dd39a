"""Which pools and concurrencies are compared, and the order in which."""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jobs.sweep.measure import Figures, Load, NothingEnded
from jobs.sweep.stand import Stand

POOLS = ("eventlet", "gevent", "threads", "prefork")
CONCURRENCIES = (10, 50, 100, 500, 1000)
#: Beyond it a prefork pool is not tried: each place is a process.
PREFORK_MOST = 50
WORKS = {
    "io": "fetch a feed of 8 KB that takes {latency:g} ms",
    "cpu": "add up {rounds:,} squares",
    "none": "do nothing",
}
#: Rounds of the cpu work: about 10 ms.
ROUNDS = 100_000


@dataclass(frozen=True)
class Run:
    """One pool at one concurrency, in every work. memory: [MB] of the whole worker, at most."""

    pool: str
    concurrency: int
    implementation: str = ""
    figures: dict[str, Figures | None] | None = None
    memory: float = float("nan")


def installed(pool: str) -> bool:
    return pool not in ("eventlet", "gevent") or importlib.util.find_spec(pool) is not None


def plan(pools: Sequence[str], concurrencies: Sequence[int]) -> list[Run]:
    """What is to be measured, in order."""
    return [
        Run(pool, concurrency)
        for pool in pools
        for concurrency in concurrencies
        if installed(pool) and (pool != "prefork" or concurrency <= PREFORK_MOST)
    ]


def measure(run: Run, stand: Stand, seconds: float, tell: Callable[[str], object]) -> Run:
    """The run with its figures. A work of which nothing ended has None. Raises CannotMeasure."""
    tell("starts")
    account = stand.start_worker(run.pool, run.concurrency)
    figures: dict[str, Figures | None] = {}
    memory = []
    for work, params in {"io": {"port": stand.port}, "cpu": {"rounds": ROUNDS}, "none": {}}.items():
        tell(work)
        load = Load(work, params, run.concurrency)
        try:
            figures[work] = load.run(seconds)
        except NothingEnded:
            figures[work] = None
        memory.append(stand.memory())
        load.drain(5.0)
    stand.stop_worker()
    return Run(run.pool, run.concurrency, str(account.get("implementation")), figures, max(memory))


def table(runs: Sequence[Run]) -> str:
    """All figures, a line for each work of each run."""
    lines = [f"{'pool':9} {'at a time':>9}  {'work':4} {'tasks/s':>8} {'p50 ms':>8} {'p95 ms':>8} {'memory MB':>10}"]
    for run in runs:
        for work, found in (run.figures or {}).items():
            head = f"{run.pool:9} {run.concurrency:9,}  {work:4}"
            if found is None:
                lines.append(f"{head} no task ended")
                continue
            failed = f"  {found.failed} failed" if found.failed else ""
            lines.append(
                f"{head} {found.rate:8,.0f} {found.percentile(50):8,.0f} {found.percentile(95):8,.0f}"
                f" {run.memory:10,.0f}{failed}"
            )
    return "\n".join(lines)


def verdict(runs: Sequence[Run]) -> str:
    """The fastest run of each work, in a sentence."""
    sentences = []
    for work in WORKS:
        found = [(figures.rate, run) for run in runs if (figures := (run.figures or {}).get(work))]
        if found:
            rate, best = max(found, key=lambda pair: pair[0])
            sentences.append(f"{work}: most with {best.pool}, {best.concurrency:,} at a time: {rate:,.0f} tasks/s")
    return "\n".join(sentences)
