"""What an attempt says: `ctx.log`, everything it logs through `logging`, everything it prints. Bounded, in batches."""

import logging
import time

from jobs.wire import events
from jobs.worker import report
from jobs.worker.execution import Execution, current

#: Characters of one line, and lines of one attempt, that are kept.
MOST_CHARACTERS, MOST_LINES = 4_000, 2_000
#: Lines that are sent at once; fewer wait for the lease thread, which looks twice a second.
BATCH = 50


def add(execution: Execution, text: str) -> None:
    """Keep a line; the last that is kept says that more were left out."""
    execution.lines += 1
    if execution.lines > MOST_LINES:
        return
    if execution.lines == MOST_LINES:
        text = f"Only the first {MOST_LINES:,} lines of an attempt are kept."
    execution.log.append((round(time.time(), 3), text[:MOST_CHARACTERS]))
    if len(execution.log) >= BATCH:
        send(execution)


def send(execution: Execution) -> None:
    """One event for all lines that wait; it goes through the outbox, so an outage of Redis loses none."""
    lines = []
    while execution.log:
        lines.append(execution.log.popleft())
    if lines:
        report.tell(execution, events.LOG, lines=lines)


class ToJob(logging.Handler):
    """On the root logger of a worker: what a running attempt logs, or prints (Celery sends that here), is its own."""

    def createLock(self) -> None:
        """None: lines go to the attempt's own deque, and sending them waits for Redis, for which nobody may queue."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        execution = current()
        if execution is None or record.name.startswith(("celery.app.trace", "jobs.worker")):
            return
        try:
            text = self.format(record)
        except Exception:
            self.handleError(record)
            return
        for line in text.splitlines() or [""]:
            add(execution, line)


def install() -> None:
    handler = ToJob(logging.INFO)
    handler.setFormatter(LevelFormatter())
    logging.getLogger().addHandler(handler)


class LevelFormatter(logging.Formatter):
    """The message alone where it is printed or informs; with its level where it warns."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        printed = record.name == "celery.redirected"
        return text if printed or record.levelno < logging.WARNING else f"{record.levelname}: {text}"
