"""The web server beneath the edge: uvicorn, beside granian where that is installed (`pip install granian==2.8.7`).

Eight keep-alive clients, the same application, rounds of the two in turn. The server's CPU time for each request is
what other work on the machine disturbs least.
"""

import json
import sys
from argparse import Namespace
from collections import defaultdict
from pathlib import Path
from statistics import median

from benchmarks.load import load, request
from benchmarks.site import Site, memory, site, wait_for_http
from benchmarks.told import tell

CLIENTS = 8
GRANIAN = Path(sys.executable).parent / "granian"


def start(here: Site, name: str) -> None:
    """One process of it."""
    if name == "uvicorn":
        process = here.start("web", "manage.py", "web", "--workers", "1")
    else:
        process = here.start(
            "web", "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(here.port),
            "--workers", "1", "--no-ws", "--loop", "uvloop", "--log-level", "warning", "jobsite.asgi:application",
        )  # fmt: skip
    wait_for_http(f"http://127.0.0.1:{here.port}/healthz", process)


def run(options: Namespace) -> None:
    servers = ["uvicorn", "granian"] if GRANIAN.exists() else ["uvicorn"]
    if len(servers) == 1:
        print("granian is not installed beside this Python: uvicorn alone")
    figures: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    with site() as here:
        seed = here.seed()
        body = json.dumps({"kind": "email", "params": {"subject": "Hi", "to": "one@example.org", "text": "A line."}})
        calls = {
            "healthz": (200, request("GET", "/healthz", seed["token"])),
            "poll of a moving job": (200, request("GET", f"/api/v1/jobs/{seed['moving']}", seed["token"])),
            "poll of a final job": (200, request("GET", f"/api/v1/jobs/{seed['final']}", seed["token"])),
            "submit": (202, request("POST", "/api/v1/jobs", seed["token"], body.encode())),
        }
        for _ in range(options.repeats):
            for name in servers:
                start(here, name)
                for what, (expected, sent) in calls.items():
                    load(here.port, [sent], clients=CLIENTS, seconds=0.5, expected=expected)
                    before = here.cpu("web")
                    found = load(here.port, [sent], clients=CLIENTS, seconds=options.seconds, expected=expected)
                    each = (here.cpu("web") - before) / len(found.times) * 1e6
                    figures[name, what].append((each, found.rate))
                figures[name, "memory"].append((memory(here.processes["web"].pid), 0.0))
                here.stop("web")
    middle = {key: [median(column) for column in zip(*rounds, strict=True)] for key, rounds in figures.items()}
    for what in [*calls, "memory"]:
        cost, rate = middle["uvicorn", what]
        peer, peer_rate = middle.get(("granian", what), (None, 0.0))
        rates = f"{rate:,.0f}/s" + (f" and {peer_rate:,.0f}/s" if peer else "")
        tell(
            f"{what}, uvicorn" if what == "memory" else f"CPU of each {what}, uvicorn", cost,
            "MB" if what == "memory" else "µs", peer=peer, peer_name="granian", note="" if what == "memory" else rates,
        )  # fmt: skip
