"""The SMTP server of the test mailbox."""

import asyncio
import logging
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from aiosmtpd.smtp import SMTP, Envelope, Session
from django.db import DatabaseError, close_old_connections

from jobs.core.fields import MB
from jobs.mailbox.store import keep

log = logging.getLogger(__name__)
HOST = "127.0.0.1"
#: [bytes] of a message; larger ones are refused as other servers refuse them.
MAX_SIZE = 25 * MB
#: [s] that messages already taken in have to reach SQL when the server stops.
GRACE = 5.0
#: Local parts that are refused, to try failures with. The page shows them.
ANSWERS = {
    "refused": "550 5.1.1 No such user here: this address of the test mailbox refuses all mail",
    "later": "450 4.2.1 Try again later: this address of the test mailbox puts off all mail",
}


class Catcher:
    """Answers for what the server does not decide itself: whom it takes mail for, and where mail goes."""

    def __init__(self) -> None:
        # One thread: messages keep their order, and SQLite has one writer here.
        self.writer = ThreadPoolExecutor(1, thread_name_prefix="mailbox")
        self.taken = 0
        self.idle = asyncio.Event()
        self.idle.set()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if answer := ANSWERS.get(address.rpartition("@")[0].casefold()):
            return answer
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        source = envelope.original_content or b""
        self.taken += 1
        self.idle.clear()
        try:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self.writer, _keep, envelope.mail_from or "", list(envelope.rcpt_tos), source)
        except DatabaseError as error:
            log.error("a message could not be kept: %s", error)
            return f"451 4.3.0 The message could not be kept: {error}".splitlines()[0]
        finally:
            self.taken -= 1
            if not self.taken:
                self.idle.set()
        return "250 2.0.0 OK, kept in the test mailbox"


def _keep(sender: str, recipients: list[str], source: bytes) -> None:
    close_old_connections()
    keep(sender, recipients, source)


async def start(catcher: Catcher, port: int) -> asyncio.Server:
    """Listen on a port of the loopback interface, 0 for a free one. Raises OSError."""
    loop = asyncio.get_running_loop()

    def session() -> SMTP:
        return SMTP(
            catcher, data_size_limit=MAX_SIZE, enable_SMTPUTF8=True, hostname="localhost",
            ident="Jobsite test mailbox", loop=loop,
        )  # fmt: skip

    return await loop.create_server(session, HOST, port)


def port_of(server: asyncio.Server) -> int:
    return server.sockets[0].getsockname()[1]


async def serve(url_file: Path, port: int | None) -> None:
    """Catch mail until SIGTERM or SIGINT.

    url_file: takes the server's URL, and gives the port of the run before; port: None for that one, 0 for a free one.
    Raises OSError where the port that was asked for is taken.
    """
    logging.getLogger("mail.log").setLevel(logging.ERROR)
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    catcher = Catcher()
    server = await _start_where_before(catcher, url_file) if port is None else await start(catcher, port)
    url = f"smtp://{HOST}:{port_of(server)}"
    _write(url_file, url)
    log.info("test mailbox listens on %s", url)
    await told.wait()
    server.close()
    try:
        await asyncio.wait_for(catcher.idle.wait(), GRACE)
    except TimeoutError:
        log.error("%d messages were not kept: the database took longer than %.0f s", catcher.taken, GRACE)
    catcher.writer.shutdown(wait=False, cancel_futures=True)


async def _start_where_before(catcher: Catcher, url_file: Path) -> asyncio.Server:
    """On the port that the file names, so that nobody has to look again; else on a free one."""
    try:
        return await start(catcher, _port_in(url_file))
    except OSError as error:
        log.warning("the port of the run before is taken (%s): using another", error)
        return await start(catcher, 0)


def _port_in(url_file: Path) -> int:
    """The port in the file, 0 where it names none."""
    try:
        return urlsplit(url_file.read_text().strip()).port or 0
    except (FileNotFoundError, ValueError):
        return 0


def _write(path: Path, text: str) -> None:
    """Replace a file in one step: who reads it finds the old URL or the new one."""
    new = path.with_name(f".{path.name}.new")
    new.write_text(f"{text}\n")
    new.replace(path)
