"""Status polls, submitting and bulk submitting over REST, with 1 and 8 keep-alive clients; Flower beside."""

import json
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from benchmarks.flower import flower
from benchmarks.load import load, request
from benchmarks.site import cpu_seconds, site
from benchmarks.told import tell

EMAIL = {"subject": "Hello", "to": "one@example.org", "text": "A line of text."}
BULK = 1_000


@dataclass(frozen=True)
class Server:
    port: int
    #: CPU time so far [s].
    cpu: Callable[[], float]


@dataclass(frozen=True)
class Figure:
    """Answers a second, median time to answer [ms], CPU time of the server for each [µs]."""

    rate: float
    p50: float
    cpu: float


def run(options: Namespace) -> None:
    with site(postgres=options.postgres) as here, flower(options.flower_tasks) as (port, pid):
        seed = here.seed()
        here.start_web()
        # As in service: what is submitted is recorded meanwhile.
        here.start("keeper", "manage.py", "keeper")
        ours = Server(here.port, lambda: here.cpu("web"))
        peer = Server(port, lambda: cpu_seconds(pid))
        asked = request("GET", "/api/task/info/task-5")
        sent = request("POST", "/api/task/send-task/jobs.add", "", json.dumps({"kwargs": {"x": 1, "y": 2}}).encode())
        for what in ("moving", "final"):
            mine = request("GET", f"/api/v1/jobs/{seed[what]}", seed["token"])
            _beside(f"poll a {what} job, token", ours, mine, 200, peer, asked, "Flower (no login)", 5_000, options)
        for kind, params in (("add", {"x": 1, "y": 2}), ("email", EMAIL)):
            mine = _submit(seed["token"], kind, params)
            _beside(f"submit {kind}, durable", ours, mine, 202, peer, sent, "Flower (not durable)", 500, options)
        bulk = json.dumps({"kind": "add", "items": [{"x": 1, "y": 2}] * BULK}).encode()
        for clients in (1, 8):
            mine = request("POST", "/api/v1/jobs/bulk", seed["token"], bulk)
            found = _median([_round(ours, mine, clients, 202, options) for _ in range(options.repeats)])
            tell(f"bulk submit of {BULK:,}, {_clients(clients)}", found.rate * BULK, " jobs/s", budget=5_000,
                 more_is_better=True, note=f"{found.cpu / BULK:,.0f} µs CPU a job")  # fmt: skip


def _beside(what: str, ours: Server, mine: bytes, expected: int, peer: Server, theirs: bytes, peer_name: str,
            budget: float, options: Namespace) -> None:  # fmt: skip
    """The rounds of the two in turn, so that a loaded machine is loaded for both."""
    for clients in (1, 8):
        rounds = [
            (_round(ours, mine, clients, expected, options), _round(peer, theirs, clients, 200, options))
            for _ in range(options.repeats)
        ]
        found, other = _median([one for one, _ in rounds]), _median([one for _, one in rounds])
        tell(
            f"{what}, {_clients(clients)}", found.rate, "/s", peer=other.rate, peer_name=peer_name,
            budget=budget if clients == 8 else None, more_is_better=True,
            note=f"p50 {found.p50:.2f} ms, CPU of the server {found.cpu:,.0f} and {other.cpu:,.0f} µs each",
        )  # fmt: skip


def _submit(token: str, kind: str, params: dict[str, object]) -> bytes:
    return request("POST", "/api/v1/jobs", token, json.dumps({"kind": kind, "params": params}).encode())


def _clients(number: int) -> str:
    return "1 client" if number == 1 else f"{number} clients"


def _round(server: Server, sent: bytes, clients: int, expected: int, options: Namespace) -> Figure:
    before = server.cpu()
    found = load(server.port, [sent], clients=clients, seconds=options.seconds, expected=expected)
    return Figure(found.rate, found.p50, (server.cpu() - before) / len(found.times) * 1e6)


def _median(rounds: list[Figure]) -> Figure:
    return Figure(*(median(getattr(one, name) for one in rounds) for name in ("rate", "p50", "cpu")))
