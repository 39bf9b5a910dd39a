"""Lists of 50 jobs and searches over REST, at every size asked for; Flower with as many tasks in its memory beside."""

from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from benchmarks.flower import flower
from benchmarks.load import load, request
from benchmarks.site import Site, cpu_seconds, own_memory, site
from benchmarks.told import tell

#: (what, our query, Flower's query, budget [ms])
LISTS = [
    ("no filter", "", "", 12.0),
    ("state", "state=failed", "state=FAILURE", 12.0),
    ("kind", "kind=image", "taskname=jobs.image", 12.0),
    ("owner", "owner=person-03", None, 12.0),
    ("state and kind", "state=failed&kind=image", "state=FAILURE&taskname=jobs.image", 12.0),
    ("state and owner", "state=failed&owner=person-03", None, 12.0),
    ("queue, state and owner (bounded)", "queue=io&state=failed&owner=person-03", None, None),
    ("kind and error text (bounded)", "kind=report&q=error:refused", None, None),
]
SEARCHES = [
    ("word, hits", "q=harbour", "search=Harbour", 15.0),
    ("word, no hit", "q=zzzzqx", "search=zzzzqx", 15.0),
    ("prefix, hits", "q=harb*", "search=Harb", 15.0),
    ("prefix, no hit", "q=zzq*", "search=zzq", 15.0),
    ("two words", "q=harbour+museum", "search=harbour+museum", 15.0),
    ("word with state and kind", "q=harbour+state:failed+kind:image", None, None),
]

#: [MB] by which the web's memory may differ from that with FEW jobs: it is to hold none, and runs differ by some.
NO_MEMORY, FEW = 10.0, 1_000

EIGHT = "8 clients, no filter"


@dataclass(frozen=True)
class Figure:
    """Median over the rounds [ms]: time to answer, and the server's CPU time for it."""

    p50: float
    cpu: float


def run(options: Namespace) -> None:
    first: dict[str, Figure] = {}
    with site(postgres=options.postgres) as here:
        here.python("-m", "benchmarks.rows", str(FEW))
        _, least = _ours(here, Namespace(seconds=options.seconds, repeats=1))
    for size in options.sizes:
        with site(postgres=options.postgres) as here:
            seconds = float(here.python("-m", "benchmarks.rows", str(size)))
            print(f"-- {size:,} finished jobs, loaded in {seconds:.0f} s")
            mine, used = _ours(here, options)
        tell(f"memory of the web for {size:,} finished jobs", max(used - least, 0.0), "MB", budget=NO_MEMORY,
             note=f"{used:.0f} MB after all lists and searches, {least:.0f} with {FEW:,} jobs")  # fmt: skip
        peers = _flowers(size, options) if size <= options.most_flower else {}
        for what, _, _, budget in [*LISTS, *SEARCHES, (EIGHT, None, None, None)]:
            ours, theirs = mine[what], peers.get(what)
            cpu = f"CPU {ours.cpu:.1f} ms" + (f" and {theirs.cpu:.1f}" if theirs else "")
            if what in first:
                grown = f"; {ours.p50 / first[what].p50:.2f} × the time, {ours.cpu / first[what].cpu:.2f} × the CPU"
                cpu += f"{grown} of {options.sizes[0]:,}"
            tell(f"list 50 of {size:,}: {what}", ours.p50, "ms", peer=theirs.p50 if theirs else None,
                 peer_name="Flower", budget=budget, note=cpu)  # fmt: skip
        first = first or mine


def _ours(here: Site, options: Namespace) -> tuple[dict[str, Figure], float]:
    """The figures, and the memory that the web came to [MB]."""
    token = here.seed()["token"]
    here.start_web()
    paths = {what: f"/api/v1/jobs?{ours}" for what, ours, _, _ in [*LISTS, *SEARCHES]}
    found = _measured(here.port, paths, token, options, lambda: here.cpu("web"))
    used = own_memory(here.processes["web"].pid)
    here.stop("web")
    return found, used


def _flowers(size: int, options: Namespace) -> dict[str, Figure]:
    paths = {what: f"/api/tasks?limit=50&{theirs}" for what, _, theirs, _ in [*LISTS, *SEARCHES] if theirs is not None}
    with flower(size) as (port, pid):
        return _measured(port, paths, "", options, lambda: cpu_seconds(pid))


def _measured(
    port: int, paths: dict[str, str], token: str, options: Namespace, cpu: Callable[[], float]
) -> dict[str, Figure]:
    found = {}
    for what, path, clients in [*((what, path, 1) for what, path in paths.items()), (EIGHT, paths["no filter"], 8)]:
        rounds = []
        for _ in range(options.repeats):
            before = cpu()
            seen = load(port, [request("GET", path, token)], clients=clients, seconds=options.seconds / 2)
            rounds.append((seen.p50, (cpu() - before) / len(seen.times) * 1e3))
        found[what] = Figure(median(p50 for p50, _ in rounds), median(cost for _, cost in rounds))
    return found
