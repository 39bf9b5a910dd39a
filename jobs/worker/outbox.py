"""Reports that must not be lost: kept in memory until SQL has them, sent again until then (LINE 3)."""

import logging
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from jobs.wire import events, keys, scripts
from jobs.wire.connection import UNREACHABLE, redis_client
from jobs.worker.execution import NEVER
from jobs.worker.rawredis import RawRedis, RedisError

log = logging.getLogger(__name__)

#: [s] that the first sender has before the lease thread sends as well; sending twice is harmless.
GRACE = 3.0
#: Beyond it, reports that Redis has taken are forgotten, the oldest first.
MOST = 50_000


@dataclass(eq=False)
class Report:
    """A script call (or, with script "", an XADD of `args[0]`) that appends one event."""

    job: str
    script: str
    script_keys: list[str]
    args: list[Any]
    made: float = field(default_factory=time.monotonic)
    #: Id of the event once Redis has it.
    event: str = ""
    tries: int = 0

    def command(self, *, by_digest: bool) -> tuple[Any, ...]:
        if not self.script:
            return ("XADD", keys.EVENTS, "*", "e", self.args[0])
        head = ("EVALSHA", scripts.digest(self.script)) if by_digest else ("EVAL", scripts.source(self.script))
        return (*head, len(self.script_keys), *self.script_keys, *self.args)

    def taken(self, answer: Any) -> None:
        # No event: the script found nothing to tell, and there is nothing to wait for.
        self.event = (answer[0] if isinstance(answer, list | tuple) else answer) or "0-0"


class Outbox:
    """The reports of one process. `send` is called by tasks, `tend` by the lease thread."""

    def __init__(self) -> None:
        self._reports: deque[Report] = deque()
        #: The keeper's word for Redis and Redis' run id, as last seen.
        self._redis: tuple[str, str] | None = None

    def clear(self) -> None:
        """In a forked child: the parent's reports are the parent's to send."""
        self._reports.clear()

    def held(self) -> set[str]:
        """Jobs whose final report is still to reach SQL: the lease names them as held."""
        return {report.job for report in list(self._reports)}

    def send(self, report: Report) -> Any:
        """Keep and send; answers what the script answered, None where Redis is unreachable for now."""
        self._reports.append(report)
        try:
            client = redis_client()
            if report.script:
                answer = scripts.call(client, report.script, report.script_keys, report.args)
            else:
                answer = client.xadd(keys.EVENTS, {"e": report.args[0]})
        except UNREACHABLE as error:
            log.warning("a report of %s waits for Redis: %s", report.job, error)
            return None
        report.taken(answer)
        return answer

    def tend(self, raw: RawRedis) -> None:
        """Send what Redis does not have, forget what SQL has. Raises OSError while Redis is unreachable."""
        if not self._reports:
            return
        recorded, epoch, server = raw.pipeline([("GET", keys.RECORDED), ("GET", keys.EPOCH), ("INFO", "server")])
        self._look_at(epoch or "", server)
        while self._reports and self._is_recorded(self._reports[0], recorded or ""):
            self._reports.popleft()
        while len(self._reports) > MOST and self._reports[0].event:
            self._reports.popleft()
        for report in list(self._reports):
            if not report.event and time.monotonic() - report.made > GRACE:
                self._send_again(raw, report)

    def _look_at(self, epoch: str, server: str) -> None:
        """Where Redis was emptied or set back, what it had taken may be gone: all of it is to be sent again, once.

        The keeper's word (keeper/epoch.py) ends with the run id that it is for. Its change alone comes too late: until
        it is renewed, the keeper may have recorded newer events. And where it was out of date already, its renewal is
        no further loss.
        """
        run_id = next(line.partition(":")[2] for line in server.splitlines() if line.startswith("run_id:"))
        if self._redis:
            known, known_run_id = self._redis
            was_valid = known.endswith(known_run_id)
            if run_id != known_run_id or (was_valid and epoch != known):
                for report in list(self._reports):
                    report.event = ""
        self._redis = epoch, run_id

    @staticmethod
    def _is_recorded(report: Report, recorded: str) -> bool:
        return bool(report.event) and not events.later(report.event, recorded)

    @staticmethod
    def _send_again(raw: RawRedis, report: Report) -> None:
        try:
            answer = raw.call(*report.command(by_digest=True))
        except RedisError as error:
            if "NOSCRIPT" not in str(error):
                report.tries += 1
                if report.tries % 30 == 1:
                    log.error("Redis refuses a report of %s: %s", report.job, error)
                return
            answer = raw.call(*report.command(by_digest=False))
        report.taken(answer)

    def flush(self, raw: RawRedis, seconds: float) -> None:
        """At the end of a process: try for so long to hand everything to Redis."""
        until = time.monotonic() + seconds
        for report in list(self._reports):
            report.made = NEVER
        while any(not report.event for report in list(self._reports)) and time.monotonic() < until:
            with suppress(OSError, RedisError):
                self.tend(raw)
            if any(not report.event for report in list(self._reports)):
                time.sleep(0.2)


outbox = Outbox()
