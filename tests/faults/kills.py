"""What is killed, how it comes back, and how long it takes until its work is done again."""

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import psutil

from jobs.models import Job
from jobs.submit import submit
from tests.system.stack import Stack, wait_for

#: [s] in which whatever was killed must work again.
LONGEST_RECOVERY = 90.0
#: A child is one of the processes that run the bodies of the cpu worker.
NAMES = ("web", "keeper", "io", "cpu", "child", "scheduler", "redis")


@dataclass(frozen=True)
class Recovery:
    """seconds: from the kill until work of that kind was done again, the time that it was left dead included."""

    name: str
    dead: float
    seconds: float


@dataclass
class Killer:
    """Kills one process, starts it again a moment later, as a supervisor does, and waits until it works."""

    stack: Stack
    rolls: Random
    schedule: int
    environment: dict[str, str]

    def order(self, count: int) -> list[str]:
        """Names to kill, each as often as the others, in an order that the seed decides."""
        names: list[str] = []
        while len(names) < count:
            names += self.rolls.sample(NAMES, len(NAMES))
        return names[:count]

    def strike(self, name: str) -> Recovery:
        began = time.monotonic()
        dead = self.rolls.uniform(0, 2)
        if name == "child":
            dead = 0.0  # its parent replaces it
            self._kill_child()
        elif name == "redis":
            self.stack.stop_redis()
            time.sleep(dead)
            self.stack.start_redis("--appendfsync", "always")
        else:
            self.stack.kill(name)
            time.sleep(dead)
            self.stack.start(name, **self.environment)
        works = self._works(name)

        def at_work() -> bool:
            self._supervise()
            return works()

        wait_for(at_work, LONGEST_RECOVERY, f"{name} to work again")
        return Recovery(name, dead, time.monotonic() - began)

    def _supervise(self) -> None:
        """Start again what has ended by itself: Celery's worker does where a child dies while it starts."""
        for name in NAMES:
            if (process := self.stack.processes.get(name)) and process.poll() is not None:
                print(f"{name} ended by itself, with {process.returncode}", flush=True)
                self.stack.start(name, **self.environment)

    def _kill_child(self) -> None:
        worker = psutil.Process(self.stack.processes["cpu"].pid)
        children = wait_for(worker.children, 30, "a child of the cpu worker")
        os.kill(self.rolls.choice(children).pid, signal.SIGKILL)

    def _works(self, name: str) -> Callable[[], bool]:
        """A condition that is true once a piece of work begun after the kill has come through."""
        match name:
            case "web":
                return lambda: bool(self.stack.ready().get("ok"))
            case "scheduler":
                newest = self._newest_slot()
                return lambda: self._newest_slot() != newest
            case "cpu" | "child":
                probe = submit("compute", {"below": 100}, priority="urgent")
            case _:
                probe = submit("add", {"x": 1, "y": 1}, priority="urgent")
        return lambda: Job.objects.filter(id=probe.id, state="SUCCESS").exists()

    def _newest_slot(self) -> Any:
        return Job.objects.filter(schedule_id=self.schedule).order_by("-slot").values_list("slot", flat=True).first()
