"""1,000 open pages: how long until each has heard of a job that somebody submits, and the web's memory meanwhile.

Each page is a stream of server-sent events of an operator, who sees every job. The time is from the submission's
first byte to the last page's event that names the job.
"""

import json
import selectors
import socket
import time
from argparse import Namespace
from http.client import HTTPConnection
from statistics import median

from benchmarks.load import request
from benchmarks.site import memory, site
from benchmarks.told import tell

PAGES = 1_000
#: [s] and [MB]
SLOWEST, MEMORY = 1.0, 300.0


def run(options: Namespace) -> None:
    with site() as here:
        token = here.seed()["token"]
        here.start_web()
        here.start("keeper", "manage.py", "keeper")
        pages = Pages(here.port, token)
        rounds = [pages.told_of_a_job() for _ in range(5 * options.repeats)]
        used = memory(here.processes["web"].pid)
        pages.close()
    halves, lasts = zip(*rounds, strict=True)
    note = f"half of them after {median(halves):.2f} s; slowest of {len(rounds)} rounds {max(lasts):.2f} s"
    tell(f"an event to {PAGES:,} open pages", median(lasts), "s", budget=SLOWEST, note=note)
    tell("memory of the web meanwhile", used, "MB", budget=MEMORY)


class Pages:
    """Streams held open over plain sockets, beside one connection that submits."""

    def __init__(self, port: int, token: str):
        self._selector = selectors.DefaultSelector()
        self._submits = HTTPConnection("127.0.0.1", port)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        stream = request("GET", "/api/v1/events", token)
        for _ in range(PAGES):
            page = socket.create_connection(("127.0.0.1", port))
            page.sendall(stream)
            self._selector.register(page, selectors.EVENT_READ)
        self._read_until_all_have(b"text/event-stream")

    def told_of_a_job(self) -> tuple[float, float]:
        """When half of the pages and when all of them had heard [s]."""
        body = json.dumps({"kind": "add", "params": {"x": 1, "y": 2}})
        began = time.perf_counter()
        self._submits.request("POST", "/api/v1/jobs", body, self._headers)
        answer = self._submits.getresponse()
        text = answer.read()
        if answer.status != 202:
            raise SystemExit(f"expected status 202, got {answer.status}: {text[:300]!r}")
        job = json.loads(text)["id"]
        times = self._read_until_all_have(job.encode())
        return times[PAGES // 2] - began, times[-1] - began

    def close(self) -> None:
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._submits.close()
        self._selector.close()

    def _read_until_all_have(self, text: bytes, seconds: float = 60.0) -> list[float]:
        """The moments at which pages came to it, in order."""
        heard: dict[int, bytes] = {}
        times: list[float] = []
        until = time.perf_counter() + seconds
        while len(times) < PAGES:
            if time.perf_counter() > until:
                raise SystemExit(f"{PAGES - len(times)} of {PAGES} pages were not told within {seconds:.0f} s")
            for key, _ in self._selector.select(1.0):
                before = heard.get(key.fd, b"")
                heard[key.fd] = before + key.fileobj.recv(65_536)  # type: ignore[union-attr]
                if text not in before and text in heard[key.fd]:
                    times.append(time.perf_counter())
        return times
