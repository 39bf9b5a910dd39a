"""GET /healthz and /readyz: whether this process lives, and whether all that it needs does its part."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import redis.exceptions
from django.contrib.staticfiles.storage import staticfiles_storage
from redis.asyncio import Redis

from jobs.core.outage import NOT_MIGRATED, STATIC_MISSING, outage_of
from jobs.core.registry import pools_in_use
from jobs.supervisor import disk
from jobs.supervisor.prepare import A_STATIC_FILE, is_up_to_date
from jobs.web.live.sql import in_sql
from jobs.wire import events, keys
from jobs.wire.connection import fullness, refusal
from jobs.wire.workers import Record, ask, read

#: [s] that SQL may be behind the stream.
MOST_LAG = 15.0
#: [s] that one check may take, and for which an answer is given again.
_PATIENCE = 3.0
_FRESH = 1.0


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process as it announces itself. `queues` are those it listens to."""

    node: str
    pool: str
    queues: tuple[str, ...]
    concurrency: int
    held: int


class Finding(Exception):
    """Something is not as it should be; the text says what, and what would be right."""


class Health:
    """The checks of one web process. Their answers are remembered for a second, so that probes cost next to nothing."""

    def __init__(self, client: "Redis"):
        #: Typed loosely: redis-py's hints do not know that `decode_responses` leaves no bytes.
        self.redis: Any = client
        self.checks: dict[str, Callable[[], Awaitable[str]]] = {
            "sql": self._sql,
            "redis": self._redis,
            "keeper": self._keeper,
            **{f"worker_{pool}": self._worker_of(pool) for pool in pools_in_use()},
            "disk": lambda: self._room("VAR_DIR"),
            "storage": lambda: self._room("STORAGE_URL"),
            "static": self._static,
        }
        self._last: tuple[float, dict[str, tuple[bool, str]]] = (float("-inf"), {})
        self._lock = asyncio.Lock()
        self._is_migrated = False

    async def findings(self) -> dict[str, tuple[bool, str]]:
        """{name: (ok, how it stands)}."""
        async with self._lock:
            at, found = self._last
            if time.monotonic() - at > _FRESH:
                answers = await asyncio.gather(*(self._ask(check) for check in self.checks.values()))
                found = dict(zip(self.checks, answers, strict=True))
                self._last = (time.monotonic(), found)
            return found

    async def body(self, *, details: bool) -> tuple[int, bytes]:
        """Status and JSON of /readyz; without `details` each check tells only whether it is ok."""
        found = await self.findings()
        ok = all(fine for fine, _ in found.values())
        checks = {name: {"ok": fine, **({"detail": text} if details else {})} for name, (fine, text) in found.items()}
        return (200 if ok else 503), json.dumps({"ok": ok, "checks": checks}).encode()

    async def _ask(self, check: Callable[[], Awaitable[str]]) -> tuple[bool, str]:
        try:
            async with asyncio.timeout(_PATIENCE):
                return True, await check()
        except TimeoutError:
            return False, f"No answer within {_PATIENCE:.0f} s."
        except Finding as finding:
            return False, str(finding)
        except (redis.exceptions.RedisError, OSError) as error:
            return False, refusal(error) or f"Redis cannot be asked: {error}"

    async def _sql(self) -> str:
        try:
            await in_sql(_ask_sql)
            # Once so, always so: this code asks for no more while it runs.
            self._is_migrated = self._is_migrated or await in_sql(is_up_to_date)
        except Exception as error:  # whatever a driver raises, the answer is that SQL does not work
            outage = outage_of(error)
            if outage and outage.text.startswith(NOT_MIGRATED):
                raise Finding(outage.text) from error
            raise Finding(f"The database does not answer: {error}") from error
        if not self._is_migrated:
            raise Finding(f"{NOT_MIGRATED}.")
        return "The database answers."

    async def _redis(self) -> str:
        if trouble := fullness(await self.redis.info("memory")):
            raise Finding(trouble)
        await self.redis.setrange(keys.PROBE, 0, "")
        return "Redis answers."

    async def _keeper(self) -> str:
        lag = await self.lag()
        if lag > MOST_LAG:
            raise Finding(f"SQL is {lag:.0f} s behind the events. Is the keeper running? (manage.py keeper)")
        if dead := await self.redis.xlen(keys.DEAD):
            raise Finding(f"{dead} events could not be recorded; they lie in {keys.DEAD} with the reason.")
        return f"SQL is {lag:.1f} s behind the events."

    async def lag(self) -> float:
        """How long the oldest event that SQL does not have yet has been waiting [s]; 0: none waits."""
        recorded = await self.redis.get(keys.RECORDED) or "0-0"
        waiting = await self.redis.xrange(keys.EVENTS, min=f"({recorded}", count=1)
        if not waiting:
            return 0.0
        seconds, micro = await self.redis.time()
        return max(0.0, seconds + micro / 1e6 - events.moment(waiting[0][0]).timestamp())

    def _worker_of(self, pool: str) -> Callable[[], Awaitable[str]]:
        async def check() -> str:
            serving = [worker for worker in await self.workers() if pool in worker.queues]
            if not serving:
                raise Finding(f"No worker listens to {pool}. Start one: manage.py worker {pool}")
            return f"{', '.join(sorted({worker.node for worker in serving}))} at work."

        return check

    async def workers(self) -> list[Worker]:
        """The worker processes that are heard."""
        names = sorted(await self.redis.smembers(keys.WORKERS))
        async with self.redis.pipeline(transaction=False) as pipe:
            ask(pipe, names)
            answers = await pipe.execute()
        return [_worker(record) for record in read(names, answers) if not record.is_gone]

    async def _room(self, name: str) -> str:
        folder = disk.places().get(name)
        if folder is None:
            return "Not on this machine."
        if trouble := await asyncio.to_thread(disk.trouble, name, folder):
            raise Finding(trouble)
        return f"{await asyncio.to_thread(disk.free, folder)} free."

    async def _static(self) -> str:
        try:
            staticfiles_storage.url(A_STATIC_FILE)
        except (ValueError, OSError) as error:
            raise Finding(f"{STATIC_MISSING}.") from error
        return "There."


def _worker(record: Record) -> Worker:
    size = record.info.get("concurrency")
    return Worker(
        node=str(record.info["node"]),
        pool=str(record.info.get("pool", "")),
        queues=record.queues,
        concurrency=size if isinstance(size, int) else 0,
        held=len(record.held),
    )


def _ask_sql() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM jobs_job LIMIT 1")
