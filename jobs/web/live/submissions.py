"""POST /api/v1/jobs of programs: what arrives while some are being stored is stored together, as one group, next.

One at a time, each would pay for a thread, a turn at SQLite's one writer, a commit and a round trip to Redis.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

from django.core.handlers.wsgi import WSGIRequest
from django.db import close_old_connections
from django.http import HttpResponse

from jobs.web.api.problem import problem_of
from jobs.web.api.together import submit_together
from jobs.web.live.bridge import environ_of
from jobs.web.live.http import Receive, Scope, Send, respond_with

#: [bytes] of the longest body that joins others: a long one would keep them waiting.
_LONGEST = 64 * 1024
#: Jobs of a group at the most.
_MOST = 32
#: [s] after which a group keeps the next one waiting no longer: a kind's form may ask a slow server.
_PATIENCE = 0.1
#: Headers of requests that Django answers one by one.
_ALONE = frozenset({b"idempotency-key", b"transfer-encoding"})


class Submissions:
    """The groups of one web process. Used from its event loop."""

    def __init__(self, threads: int = 8):
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="submissions")
        self._waiting: list[tuple[WSGIRequest, asyncio.Future[HttpResponse]]] = []
        self._busy = False
        self._groups: set[asyncio.Task[None]] = set()

    @staticmethod
    def takes(headers: dict[bytes, bytes]) -> bool:
        """Whether a request may join a group: short JSON with a token, that is not sent for the second time."""
        length = headers.get(b"content-length", b"")
        kind = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
        return (
            kind == b"application/json"
            and length.isdigit() and int(length) <= _LONGEST
            and b"authorization" in headers
            and _ALONE.isdisjoint(headers)
        )  # fmt: skip

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> int:
        """Answers the request; returns the status that was sent."""
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return 499
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        request = WSGIRequest(environ_of(scope, BytesIO(body), len(body)))
        answer: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer))
        self._next()
        return await respond_with(send, await answer)

    def close(self) -> None:
        self._threads.shutdown(wait=True)

    def _next(self) -> None:
        if self._waiting and not self._busy:
            self._busy = True
            task = asyncio.create_task(self._carry_out())
            self._groups.add(task)  # the loop itself remembers tasks only weakly
            task.add_done_callback(self._groups.discard)

    async def _carry_out(self) -> None:
        # Here and not in `_next`: meanwhile the loop has come to what arrived in the same moment.
        group = self._waiting[:_MOST]
        del self._waiting[:_MOST]
        requests = [request for request, _ in group]
        done = asyncio.get_running_loop().run_in_executor(self._threads, _submit, requests)
        await asyncio.wait([done], timeout=_PATIENCE)
        self._busy = False
        self._next()
        for (_, answer), response in zip(group, await done, strict=True):
            answer.set_result(response)


def _submit(requests: list[WSGIRequest]) -> list[HttpResponse]:
    """In a thread: the answers to a group."""
    close_old_connections()
    try:
        return submit_together(requests)
    except Exception as error:
        return [problem_of(error).response() for _ in requests]
    finally:
        close_old_connections()
