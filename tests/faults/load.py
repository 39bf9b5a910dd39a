"""Jobs of all sorts, from a program over REST and from Celery code, in an order that the seed decides."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from tests.faults import tasks

#: Programs that submit at the same time.
PROGRAMS = 8
#: [s] that a program goes on trying to get one job accepted.
PATIENCE = 120.0
#: Sorts that are plain tasks, sent by Celery code.
PLAIN = ("wait", "work")


@dataclass(frozen=True)
class Planned:
    """One job to be: of a kind over REST, or of a plain task by Celery code under an id of its own."""

    number: int
    sort: str
    params: dict[str, Any]
    #: With an Idempotency-Key a program may send again what it got no answer to.
    keyed: bool = False


@dataclass
class Load:
    """Submits what is planned. `accepted` are the ids that somebody was promised; `uncertain` of the plain tasks those
    whose sender got an error, which may run all the same, once."""

    api: Callable[[], httpx.Client]
    target: str
    seed: int
    accepted: dict[str, Planned] = field(default_factory=dict)
    uncertain: dict[str, Planned] = field(default_factory=dict)
    #: Submissions over REST that got neither an answer nor, having no key, a second try.
    unanswered: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def plan(self, count: int) -> list[Planned]:
        rolls = Random(self.seed)
        return list(itertools.islice(self._planned(rolls), count))

    def _planned(self, rolls: Random) -> Iterator[Planned]:
        for number in itertools.count():
            sort = rolls.choices(
                ["add", "http", "compute", "flaky", "wait", "work"], weights=[28, 17, 12, 13, 15, 15]
            )[0]  # fmt: skip
            yield Planned(number, sort, self._params(sort, number, rolls), keyed=rolls.random() < 0.5)

    def _params(self, sort: str, number: int, rolls: Random) -> dict[str, Any]:
        match sort:
            case "add":
                return {"x": number, "y": 1}
            case "http":
                method = rolls.choice(["GET", "POST"])
                return {"method": method, "url": f"{self.target}/{self.seed}/{number}"}
            case "compute":
                return {"below": rolls.choice([100, 20_000, 200_000])}
            case "flaky":
                return {"failures": rolls.choice([0, 1, 2])}
            case "wait":
                return {"seconds": rolls.choice([0, 0.1, 1.5])}
            case _:
                return {"rounds": rolls.choice([10, 200_000]), "failures": int(rolls.random() < 0.1)}

    def submit(self, planned: list[Planned]) -> None:
        """All of them, through several programs at a time; returns once each is accepted or given up."""
        with ThreadPoolExecutor(PROGRAMS) as pool:
            for _ in pool.map(self._program, [planned[start::PROGRAMS] for start in range(PROGRAMS)]):
                pass

    def _program(self, planned: list[Planned]) -> None:
        with self.api() as client:
            for one in planned:
                if one.sort in PLAIN:
                    self._send(one)
                else:
                    self._post(one, client)

    def _post(self, one: Planned, client: httpx.Client) -> None:
        body = {"kind": one.sort, "params": one.params, "label": self.title(one)}
        headers = {"Idempotency-Key": self.title(one)} if one.keyed else {}
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                answer = client.post("jobs", json=body, headers=headers)
            except httpx.ConnectError:  # nobody listened: nothing was sent
                time.sleep(0.2)
                continue
            except httpx.HTTPError:
                if not one.keyed:
                    with self._lock:
                        self.unanswered += 1
                    return
                continue
            if answer.status_code == 202:
                with self._lock:
                    self.accepted[answer.json()["id"]] = one
                return
            if answer.status_code not in (429, 502, 503, 504):
                raise AssertionError(f"{answer.status_code} for {body}: {answer.text[:500]}")
            time.sleep(0.2)
        raise AssertionError(f"nobody accepted {body} for {PATIENCE:g} s")

    def _send(self, one: Planned) -> None:
        """As Celery code does. A sender that got an error cannot know: the next try has another id."""
        task, queue = (tasks.wait, "io") if one.sort == "wait" else (tasks.work, "cpu")
        until = time.monotonic() + PATIENCE
        for attempt in itertools.count():
            task_id = f"{self.title(one)}/{attempt}"
            try:
                task.apply_async(kwargs=one.params, task_id=task_id, queue=queue, retry=False)
            except (OperationalError, RedisError, OSError):
                with self._lock:
                    self.uncertain[task_id] = one
                if time.monotonic() > until:
                    raise
                time.sleep(0.3)
                continue
            with self._lock:
                self.accepted[task_id] = one
            return

    def title(self, one: Planned) -> str:
        return f"order-{self.seed}-{one.number}"


def reachable(client: httpx.Client) -> bool:
    with suppress(httpx.HTTPError):
        return client.get("jobs", params={"limit": 1}).status_code == 200
    return False
