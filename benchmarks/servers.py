"""The web server beneath the edge: uvicorn beside granian (`pip install granian==2.8.7`, which Jobsite does not need).

    python -m benchmarks.servers [uvicorn granian] [--seconds 3] [--rounds 3]

Eight keep-alive clients, the same application, rounds of the two in turn. Each line: server, call, requests/s, median
and 99th percentile of the time to answer [ms], and the server's CPU time for each [µs], which other work on the
machine disturbs least: the median of the rounds.
"""

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

from benchmarks.load import load, request
from benchmarks.site import Site, memory, site, wait_for_http

CLIENTS = 8
GRANIAN = Path(sys.executable).parent / "granian"


def start(here: Site, name: str) -> None:
    if name == "uvicorn":
        here.start_web()
        return
    process = here.start(
        "web", "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(here.port),
        "--workers", "1", "--no-ws", "--loop", "uvloop", "--log-level", "warning", "jobsite.asgi:application",
    )  # fmt: skip
    wait_for_http(f"http://127.0.0.1:{here.port}/healthz", process)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers", nargs="*", default=["uvicorn", "granian"])
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if "granian" in options.servers and not GRANIAN.exists():
        parser.error("granian is not installed beside this Python: pip install granian==2.8.7")
    figures: dict[tuple[str, str], list[tuple[float, float, float, float]]] = defaultdict(list)
    sizes: dict[str, list[float]] = defaultdict(list)
    with site() as here:
        seed = here.seed()
        body = json.dumps({"kind": "email", "params": {"subject": "Hi", "to": "one@example.org", "text": "A line."}})
        calls = [
            ("healthz", 200, request("GET", "/healthz", seed["token"])),
            ("poll moving", 200, request("GET", f"/api/v1/jobs/{seed['moving']}", seed["token"])),
            ("poll final", 200, request("GET", f"/api/v1/jobs/{seed['final']}", seed["token"])),
            ("submit", 202, request("POST", "/api/v1/jobs", seed["token"], body.encode())),
        ]
        for _ in range(options.rounds):
            for name in options.servers:
                start(here, name)
                for what, expected, sent in calls:
                    load(here.port, [sent], clients=CLIENTS, seconds=0.5, expected=expected)
                    before = here.cpu("web")
                    found = load(here.port, [sent], clients=CLIENTS, seconds=options.seconds, expected=expected)
                    each = (here.cpu("web") - before) / len(found.times) * 1e6
                    figures[name, what].append((found.rate, found.p50, found.p99, each))
                sizes[name].append(memory(here.processes["web"].pid))
                here.stop("web")
    for (name, what), rounds in figures.items():
        rate, p50, p99, each = (median(column) for column in zip(*rounds, strict=True))
        print(f"{name:8} {what:12} {rate:8,.0f}/s   p50 {p50:6.2f} ms   p99 {p99:6.2f} ms {each:7,.0f} µs CPU each")
    for name, found_sizes in sizes.items():
        print(f"{name:8} memory       {median(found_sizes):8,.0f} MB")


if __name__ == "__main__":
    main()
