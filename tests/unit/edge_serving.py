"""The edge on a loopback port, in a thread of the test, with the helpers that write what workers would write."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import httpx
import uvicorn
from django.contrib.auth import get_user_model

from jobs.models import ApiToken, Job
from jobs.web.live import edge as live
from jobs.web.live.access import access
from jobs.web.live.connections import BoundedProtocol
from jobs.web.live.edge import Edge
from jobs.wire import events, keys
from jobs.wire.connection import redis_client
from tests.services import free_port

TELL = """
local id = redis.call('XADD', KEYS[1], '*', 'e', ARGV[1])
redis.call('HSET', KEYS[2], 'event', id, unpack(ARGV, 2))
return id
"""


class Served:
    """A running server: `url`, `edge`, and clients for it."""

    def __init__(self, edge: Edge, port: int):
        self.edge, self.port, self.url = edge, port, f"http://127.0.0.1:{port}"

    def client(self, token: str = "", **headers: str) -> httpx.Client:
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return httpx.Client(base_url=self.url, headers=headers, timeout=15)


def _patient(socket_timeout: float | None, client: Callable[..., Any] = live._client) -> Any:
    """A Redis client that waits longer than the machine may pause: after 2 s the edge would answer from SQL."""
    return client(socket_timeout and max(socket_timeout, 15.0))


@contextmanager
def serving(wsgi: Callable[..., Any] | None = None, **options: Any) -> Iterator[Served]:
    """Serve the edge in front of Django, or of another WSGI application."""
    if wsgi is None:
        from django.core.handlers.wsgi import WSGIHandler

        wsgi = WSGIHandler()
    access.clear()
    edge = Edge(wsgi, **options)
    port = free_port()
    config = uvicorn.Config(
        edge, host="127.0.0.1", port=port, lifespan="on", http=BoundedProtocol, ws="none", log_config=None,
        access_log=False,
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    with patch.object(live, "_client", _patient):
        thread.start()
        until(lambda: server.started)
    try:
        yield Served(edge, port)
    finally:
        edge.close()
        server.should_exit = True
        thread.join(15)
        assert not thread.is_alive(), "the server did not stop"


def until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    """Wait for a condition; returns what it answered."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, "the condition did not come true"
        time.sleep(0.01)
    return answer


def person(name: str, *, operator: bool = False) -> tuple[Any, str]:
    """A user and the text of a token of theirs."""
    user = get_user_model().objects.create_user(name, password="a long secret", is_staff=operator)
    return user, ApiToken.make(user, "test")[1]


def moving_job(owner: Any, title: str = "A job", attempt: int = 1) -> Job:
    """A running job as SQL and Redis have it."""
    job = Job.objects.create(kind="email", title=title, owner=owner, queue="io", state="STARTED", attempt=attempt)
    told(job, "STARTED")
    return job


def told(job: Job, type: str, attempt: int = 1, **fields: Any) -> str:
    """Append an event and write the run hash, as the scripts do; returns the event's id."""
    user = str(job.owner_id or "")
    state = {"QUEUED": "PENDING", "PROGRESS": "STARTED"}.get(type, type)
    phase = {"PENDING": "queued", "STARTED": "running", "RETRY": "retry"}.get(state, "final")
    values = {"attempt": attempt, "phase": phase, "state": state, "user": user, "worker": "io@test"}
    if "p" in fields:
        values["progress"] = json.dumps(fields["p"])
    flat = [part for pair in values.items() for part in pair]
    event = events.encode(type, job.id, attempt, user, **fields)
    return redis_client().eval(TELL, 2, keys.EVENTS, keys.run(job.id), event, *flat)


def progress(current: int, total: int = 10) -> dict[str, Any]:
    return {"current": current, "total": total, "step": "sent", "at": 110.0, "started": 100.0}


class Stream:
    """An open event stream, read in a thread: `events` are (id, event, data)."""

    def __init__(self, served: Served, token: str, path: str = "/api/v1/events", **headers: str):
        self.events: list[tuple[str, str, Any]] = []
        self.times: list[float] = []
        self.id = ""
        self.status = 0
        self.ended = False
        self.opened = threading.Event()
        self._client = served.client(token, **headers)
        self._thread = threading.Thread(target=self._read, args=(path,), daemon=True)
        self._thread.start()
        assert self.opened.wait(10), "the stream did not open"

    def named(self, event: str) -> list[Any]:
        return [data for _, name, data in list(self.events) if name == event]

    def close(self) -> None:
        self._client.close()

    def _read(self, path: str) -> None:
        fields: dict[str, str] = {}
        try:
            with self._client.stream("GET", path) as answer:
                self.status = answer.status_code
                for line in answer.iter_lines():
                    if line:
                        name, _, value = line.partition(": ")
                        fields[name] = value
                        continue
                    self.id = fields.get("id", self.id)
                    if "event" in fields:
                        self.times.append(time.monotonic())
                        self.events.append((self.id, fields["event"], json.loads(fields["data"])))
                    fields = {}
                    self.opened.set()
        except httpx.TransportError:
            pass
        finally:
            self.ended = True
            self.opened.set()
