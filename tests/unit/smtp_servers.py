"""Real SMTP servers on loopback ports, for tests: one that answers as it is told, and the test mailbox's own."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult

DROP = "drop"


@dataclass
class Taken:
    """A message as the server got it."""

    sender: str
    recipients: list[str]
    source: bytes

    @property
    def message(self) -> EmailMessage:
        return BytesParser(policy=policy.default).parsebytes(self.source)


@dataclass
class Scripted:
    """Takes mail, and answers as scripted: a list of answers per address or for DATA, used one after the other.

    DROP as an answer closes the connection without a word. on_data is called before DATA is answered.
    """

    rcpt: dict[str, list[str]] = field(default_factory=dict)
    data: list[str] = field(default_factory=list)
    #: Whether a message whose DATA is answered with DROP is kept.
    keeps_dropped: bool = False
    on_data: Callable[[list[str]], None] = lambda recipients: None
    taken: list[Taken] = field(default_factory=list)
    connections: int = 0
    offered: list[str] = field(default_factory=list)

    async def handle_EHLO(
        self, server: SMTP, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: Any) -> str:
        self.offered.append(address)
        script = self.rcpt.get(address)
        answer = script.pop(0) if script else "250 OK"
        if answer == DROP:
            server.transport.abort()
        if answer.startswith("2"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        self.on_data(list(envelope.rcpt_tos))
        answer = self.data.pop(0) if self.data else "250 OK"
        if answer.startswith("250") or (answer == DROP and self.keeps_dropped):
            self.taken.append(Taken(envelope.mail_from, list(envelope.rcpt_tos), envelope.original_content))
        if answer == DROP:
            server.transport.abort()
        return answer


@contextmanager
def in_thread(handler: Any, **options: Any) -> Iterator[int]:
    """Serve in a thread of its own; the port. options: aiosmtpd's, for SMTP(...)."""
    loop = asyncio.new_event_loop()

    async def start() -> asyncio.Server:
        return await loop.create_server(
            lambda: SMTP(handler, hostname="localhost", enable_SMTPUTF8=True, loop=loop, **options), "127.0.0.1", 0
        )

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(start(), loop).result(10)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_stop(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _stop(server: asyncio.Server) -> None:
    server.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def refuse_login(*_: Any) -> AuthResult:
    return AuthResult(success=False, handled=False)
