"""What this process is, and what it runs at the moment."""

import os
import socket
import time
import uuid
from collections import deque
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from celery.exceptions import Ignore

from jobs.core.ids import stored_id

#: One start of a worker, never reused (LINE 2). Children of a prefork pool inherit it by fork.
INCARNATION = uuid.uuid4().hex


#: A moment before all that a monotonic clock shows, which counts from the start of the machine.
NEVER = float("-inf")


class Superseded(BaseException):
    """The attempt is no longer this worker's: it ends without a word."""


class HandedOver(BaseException):
    """The worker stops while the attempt stands still: the job goes on, paused, in another worker."""


class Reported(Ignore):
    """Ends a task whose end has been told, or is not to be: Celery acknowledges the message and stores nothing."""


@dataclass(eq=False)
class Execution:
    """One attempt that this process has claimed."""

    job: str
    attempt: int
    task: str
    user: str = ""
    owner_name: str = ""
    max_attempts: int = 1
    first_attempt: int = 1
    #: Celery code sent it: what is to follow it is in its message, and known to Celery alone.
    foreign: bool = False
    #: Of what Celery code sent the tag of its message (external.py), else "".
    message: str = ""
    #: Whether the results of its task are kept in Redis, under Celery's key, by our own backend.
    keeps: bool = True
    started: float = field(default_factory=time.time)
    cpu_started: float = field(default_factory=time.process_time)
    #: What interrupts it: a greenlet, or a thread's ident.
    runner: Any = None
    #: Set once somebody's wish has been seen, and how often it has been told.
    cancel_asked: float = 0.0
    cancel_times: int = 0
    #: Whether somebody has paused it, None while nobody has looked; for how long [s] it has stood still; what stops
    #: its time limits meanwhile (greenlimits.py), None where this process keeps none.
    paused: bool | None = None
    stood_still: float = 0.0
    clock: Any = None
    #: The latest progress that has not been sent yet: (JSON, event, result).
    unsent: Any = None
    sent_at: float = NEVER
    taken: bool = False
    #: Its own code has stored a final state.
    ended: bool = False
    #: Log lines (time, text) that wait to be sent, and how many there were in all.
    log: deque[tuple[float, str]] = field(default_factory=deque)
    lines: int = 0
    #: The id as Celery's clients know it, where it is longer than a row holds (core/ids.py).
    task_id: str = ""

    def __post_init__(self) -> None:
        self.task_id = self.task_id or self.job
        self.job = stored_id(self.job)


@dataclass
class Process:
    """This worker process: filled at its start (setup.py)."""

    node: str = ""
    pool: str = ""
    concurrency: int = 0
    queues: tuple[str, ...] = ()
    #: Those of `queues` that it leaves alone while they are paused (steering.py).
    paused: tuple[str, ...] = ()
    is_child: bool = False
    started: float = field(default_factory=time.time)
    #: Answers the ids of jobs that this process holds beside `running`; the prefork master's active requests.
    also_held: Any = None
    #: Answers whether it was told to finish what it has in hand; a prefork child does not hear of that.
    stops: Any = None
    #: Answers the lags of the event loop [ms], newest last; None in pools that have none.
    lags: Any = None

    @property
    def key(self) -> str:
        """Names this process among all of all incarnations."""
        return f"{INCARNATION}:{os.getpid()}"

    def info(self) -> dict[str, Any]:
        return {
            "node": self.node,
            "pool": self.pool,
            "concurrency": self.concurrency,
            # A prefork child takes no messages, and does not hear of it when its worker serves other queues.
            "queues": [] if self.is_child else list(self.queues),
            "paused": [] if self.is_child else list(self.paused),
            "pid": os.getpid(),
            "parent": os.getppid() if self.is_child else None,
            "host": socket.gethostname(),
            "incarnation": INCARNATION,
            "started": self.started,
            **({"lags": self.lags()} if self.lags else {}),
        }


process = Process()
#: Claimed and not yet reported final, by job id.
running: dict[str, Execution] = {}
_current: ContextVar[Execution | None] = ContextVar("jobsite_execution", default=None)


def current() -> Execution | None:
    """The execution that the calling code belongs to."""
    return _current.get()


def enter(execution: Execution) -> None:
    running[execution.job] = execution
    _current.set(execution)


def leave(execution: Execution) -> None:
    _current.set(None)
    if running.get(execution.job) is execution:
        del running[execution.job]


def attempt_of(request: Any) -> int:
    """The number of the attempt that a Celery request is: ours from the header, Task.retry's counted on from it."""
    get = request.get if hasattr(request, "get") else lambda name, default=None: getattr(request, name, default)
    base, base_retries = get("jobsite_attempt", None), get("jobsite_retries", 0)
    retries = get("retries", 0) or 0
    return int(base or 1) + max(0, retries - int(base_retries or 0))
