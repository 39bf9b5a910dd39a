"""Many URLs at once: threads that fetch, fewer that hand bodies to the readers, and one that collects.

The threads are whatever the worker's pool makes of `threading`: green ones under eventlet and gevent, real ones else.
"""

import queue
import threading
import time
from collections import deque
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from jobs.core.kind import Context
from jobs.kinds._feeds import reading
from jobs.kinds._feeds.memory import conditional
from jobs.kinds._net.client import Answer, Client, FetchError, Request
from jobs.kinds._net.watch import Deadline

ACCEPT = "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, */*;q=0.8"
#: [bytes] of bodies that wait to be read; fetching pauses above it.
MOST_WAITING = 64 * 1024 * 1024


@dataclass
class Outcome:
    """What became of one URL. result: "ok", "unchanged" or "failed"."""

    place: int
    url: str
    final_url: str = ""
    result: str = "failed"
    status: int | None = None
    type: str = ""
    title: str = ""
    items: int = 0
    newest: str = ""
    size: int = 0
    ms: float = 0.0
    error: str = ""
    #: Whether a later try is worth it.
    may_pass: bool = True
    #: What the next run sends to ask for changes.
    validators: dict[str, str] = field(default_factory=dict)
    #: The items as JSON Lines, and the time that reading them took [s].
    lines: bytes = b""
    reading: float = 0.0
    #: When it was fetched, by time.monotonic().
    fetched_at: float = 0.0


class Backlog:
    """Fetched bodies on their way to the readers, bounded by their bytes."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Outcome, Answer]] = deque()
        self._size = 0
        self._is_closed = False
        self._changed = threading.Condition()

    def put(self, outcome: Outcome, answer: Answer) -> None:
        with self._changed:
            while self._waiting and self._size + len(answer.body) > MOST_WAITING and not self._is_closed:
                self._changed.wait()
            self._waiting.append((outcome, answer))
            self._size += len(answer.body)
            self._changed.notify_all()

    def get(self) -> tuple[Outcome, Answer] | None:
        """The next one; None once the backlog is closed."""
        with self._changed:
            while not self._waiting and not self._is_closed:
                self._changed.wait()
            if self._is_closed:
                return None
            outcome, answer = self._waiting.popleft()
            self._size -= len(answer.body)
            self._changed.notify_all()
            return outcome, answer

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()


class Gathering:
    """Iterate over it for the Outcome of every request, as they come.

    requests: by place. at_once: how many are fetched at a time.
    """

    def __init__(self, requests: list[Request], at_once: int, ctx: Context):
        self._todo = deque(enumerate(requests))
        self._total = len(requests)
        self._at_once = min(at_once, len(requests))
        self._ctx = ctx
        self._client = Client(self._at_once)
        self._backlog = Backlog()
        self._done: queue.Queue[Outcome] = queue.Queue()
        self._active: set[Deadline] = set()
        self._is_stopped = False

    def __iter__(self) -> Generator[Outcome, None, None]:
        try:
            for work, count in ((self._fetch_all, self._at_once), (self._read_all, reading.CHILDREN)):
                for _ in range(count):
                    threading.Thread(target=work, daemon=True).start()
            for _ in range(self._total):
                yield self._next()
        finally:
            self._stop()

    def _next(self) -> Outcome:
        while True:
            try:
                # Not for ever: a thread that waits without end could not be interrupted.
                return self._done.get(timeout=0.5)
            except queue.Empty:
                self._ctx.check()

    def _stop(self) -> None:
        self._is_stopped = True
        self._todo.clear()
        self._backlog.close()
        for deadline in list(self._active):
            deadline.shut()
        self._client.close()

    def _fetch_all(self) -> None:
        while not self._is_stopped:
            try:
                place, request = self._todo.popleft()
            except IndexError:
                return
            outcome = Outcome(place, request.url)
            answer = self._fetch(request, outcome)
            outcome.fetched_at = time.monotonic()
            if answer is None:
                self._done.put(outcome)
            else:
                self._backlog.put(outcome, answer)

    def _fetch(self, request: Request, outcome: Outcome) -> Answer | None:
        """Fill in the outcome; the answer, where its body is to be read."""
        deadline = Deadline(time.monotonic() + request.timeout)
        self._active.add(deadline)
        started = time.perf_counter()
        try:
            answer = self._client.fetch(request, deadline)
        except FetchError as error:
            outcome.error, outcome.may_pass = str(error), error.may_pass
            outcome.ms = round((time.perf_counter() - started) * 1000, 1)
            return None
        except Exception as error:  # one URL never ends the job, whatever was wrong with it
            outcome.error, outcome.may_pass = f"{type(error).__name__}: {error}"[:300], False
            return None
        finally:
            self._active.discard(deadline)
        return _judged(answer, request, outcome)

    def _read_all(self) -> None:
        while found := self._backlog.get():
            outcome, answer = found
            try:
                _fill(outcome, *reading.read(answer.body, answer.url, answer.headers.get("Content-Type", "")))
            except reading.Unreadable as error:
                outcome.result, outcome.error, outcome.may_pass = "failed", str(error), False
            except Exception as error:
                outcome.result, outcome.error = "failed", f"{type(error).__name__}: {error}"[:300]
            self._done.put(outcome)


def _judged(answer: Answer, request: Request, outcome: Outcome) -> Answer | None:
    outcome.final_url, outcome.status = answer.url, answer.status
    outcome.size, outcome.ms = answer.size, answer.ms
    if answer.status == 304 and ("If-None-Match" in request.headers or "If-Modified-Since" in request.headers):
        outcome.result = "unchanged"
        outcome.validators = {name: value for name, value in request.headers.items() if name.startswith("If-")}
        return None
    if not 200 <= answer.status < 300:
        outcome.error = f"The server answered {answer.status} {answer.reason}".rstrip() + "."
        outcome.may_pass = answer.status in (408, 425, 429) or answer.status >= 500
        return None
    outcome.result = "ok"
    outcome.validators = conditional(answer.headers.get("ETag"), answer.headers.get("Last-Modified"))
    return answer


def _fill(outcome: Outcome, head: dict[str, Any], lines: bytes) -> None:
    outcome.type, outcome.title, outcome.newest = head["type"], head["title"], head["newest"]
    outcome.items, outcome.reading, outcome.lines = head["items"], head["seconds"], lines
