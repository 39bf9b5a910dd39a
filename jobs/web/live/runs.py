"""Reading run hashes for many who ask at once."""

import asyncio

import redis.exceptions
from redis.asyncio import Redis

from jobs.browse.live import FIELDS
from jobs.wire import keys

Values = tuple[str | None, ...]
_NOTHING: Values = (None,) * len(FIELDS)


class Runs:
    """One round trip at a time carries everything that was asked for while the one before it was under way.

    Each answer was read after its question came, so nobody gets an older one than by asking alone.
    """

    def __init__(self, client: "Redis"):
        self.redis = client
        self._asked: dict[str, asyncio.Future[Values]] = {}
        self._sender: asyncio.Task[None] | None = None

    async def get(self, job: str) -> Values:
        """The hash's FIELDS; all None where there is no hash, or Redis cannot be reached."""
        future = self._asked.get(job)
        if future is None:
            future = self._asked[job] = asyncio.get_running_loop().create_future()
            if self._sender is None:
                self._sender = asyncio.create_task(self._send())
        # Shielded, because others may wait for the same answer when this one is cancelled.
        return await asyncio.shield(future)

    async def _send(self) -> None:
        try:
            while self._asked:
                asked, self._asked = self._asked, {}
                for future, values in zip(asked.values(), await self._read(list(asked)), strict=True):
                    future.set_result(values)
        finally:
            self._sender = None

    async def _read(self, jobs: list[str]) -> list[Values]:
        try:
            async with self.redis.pipeline(transaction=False) as pipe:
                for job in jobs:
                    pipe.hmget(keys.run(job), FIELDS)
                return [tuple(values) for values in await pipe.execute()]
        except (redis.exceptions.RedisError, OSError):
            return [_NOTHING] * len(jobs)
