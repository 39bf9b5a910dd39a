"""Django behind the edge: its WSGI handler in a fixed pool of threads, each with a persistent SQL connection.

Why not a2wsgi: it gives a thread to a request from its first byte to its last, so that eight slow uploads or downloads
stop the site, and it takes a broken-off upload for a whole one. Here a thread works only once the body has arrived, and
while a piece of the answer is made, not while it is sent.
"""

import asyncio
import logging
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from tempfile import SpooledTemporaryFile
from typing import IO, Any

from django.conf import settings
from django.http import HttpResponse

from jobs.core.fields import size_in_words
from jobs.web.api.body import MAX_BODY
from jobs.web.api.problem import Problem, problem_of
from jobs.web.live.http import Receive, Scope, Send, refuse_unseen, until_disconnect
from jobs.web.outages import refusal

logger = logging.getLogger("jobsite.web")

#: [bytes] of a body kept in memory; what is longer goes to a file.
_IN_MEMORY = 1024 * 1024
#: [bytes] of the largest body taken with files; of one without, which nothing here has use for beyond that.
BODY_LIMIT = 2 * 1024**3
PLAIN_LIMIT = MAX_BODY
#: [bytes] of the largest body taken of somebody unknown, who has a form to log in with: none of it goes to disk.
UNKNOWN_LIMIT = _IN_MEMORY
#: [bytes] of a file sent at a time.
_FILE_CHUNK = 256 * 1024
#: Threads that make long answers piece by piece.
_MAKERS = 4
#: [s] for which a client may take nothing of an answer that is being made, before it is given up.
_STALLED = 60.0
#: [s] for which a refused body is still read and forgotten, so that the client comes to read why.
_LINGER = 5.0

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class _TooLarge(Exception):
    """The body is longer than the limit."""


class _Gone(Exception):
    """The client went away."""


class FileToSend:
    """`wsgi.file_wrapper`: how Django hands over a file, so that no page's thread waits for a slow download."""

    def __init__(self, file: IO[bytes], block_size: int = _FILE_CHUNK):
        self.read = file.read
        self.close = getattr(file, "close", lambda: None)

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(_FILE_CHUNK), b"")


class Bridge:
    """An ASGI application that runs a WSGI one.

    `threads` carry pages, two more carry files and long bodies, others the making of long answers.
    """

    def __init__(self, application: Application, threads: int = 8, body_limit: int = BODY_LIMIT):
        self.application = application
        self.body_limit = body_limit
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="django")
        self._files = ThreadPoolExecutor(2, thread_name_prefix="files")
        # Each answer stays with one of them: connections to SQL belong to threads.
        self._makers = [ThreadPoolExecutor(1, thread_name_prefix="maker") for _ in range(_MAKERS)]
        #: Answers that each has in hand.
        self._making = Counter(dict.fromkeys(self._makers, 0))

    async def __call__(self, scope: Scope, receive: Receive, send: Send, is_known: bool = True) -> int:
        """Answers the request; returns the status that was sent. is_known: whoever sends it may send files."""
        headers = dict(scope["headers"])
        limit = self._limit(headers, is_known)
        folder: Any = settings.FILE_UPLOAD_TEMP_DIR
        with SpooledTemporaryFile(max_size=_IN_MEMORY, dir=folder) as body:
            try:
                length = await self._read(headers, receive, body, limit)
            except _TooLarge:
                whose = "" if is_known else " of somebody who is not logged in"
                text = f"The request is too large: at most {size_in_words(limit)} are taken{whose}."
                return await self._refuse(refusal(scope["path"], Problem(413, text)), receive, send)
            except OSError as error:  # no room for the body
                return await self._refuse(refusal(scope["path"], problem_of(error)), receive, send)
            except _Gone:
                return 499
            answer = _Answer(send)
            gone = asyncio.create_task(until_disconnect(receive))
            gone.add_done_callback(answer.client_left)
            try:
                await self._run(self._threads, self._respond, environ_of(scope, body, length), answer)
                if answer.pieces is not None:
                    await self._send_pieces(answer, answer.pieces, with_body=scope["method"] != "HEAD")
                elif not answer.gone:
                    await answer.send_rest()
            finally:
                gone.cancel()
            return answer.status

    def close(self) -> None:
        for threads in (self._threads, self._files, *self._makers):
            threads.shutdown(wait=True)

    async def _run(self, threads: ThreadPoolExecutor, function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(threads, function, *args)

    def _limit(self, headers: dict[bytes, bytes], is_known: bool) -> int:
        """[bytes] of the longest body that is taken."""
        if not is_known:
            return min(self.body_limit, UNKNOWN_LIMIT)
        has_files = headers.get(b"content-type", b"").lower().startswith(b"multipart/")
        return self.body_limit if has_files else min(self.body_limit, PLAIN_LIMIT)

    async def _read(self, headers: dict[bytes, bytes], receive: Receive, body: IO[bytes], limit: int) -> int:
        """Take the body in; returns its length [bytes]."""
        announced = headers.get(b"content-length", b"0")
        if announced.isdigit() and int(announced) > limit:
            raise _TooLarge
        length, waiting = 0, bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _Gone
            waiting += message.get("body", b"")
            more = message.get("more_body", False)
            if length + len(waiting) > limit:
                raise _TooLarge
            if len(waiting) > _IN_MEMORY or (not more and length):
                # Disks can be slow, and the loop serves everybody: what goes to disk goes by a thread.
                await self._run(self._files, body.write, bytes(waiting))
                length += len(waiting)
                waiting.clear()
            if not more:
                break
        if waiting:
            body.write(waiting)
            length += len(waiting)
        body.seek(0)
        return length

    async def _refuse(self, response: HttpResponse, receive: Receive, send: Send) -> int:
        """Answer before the body has been read, then read on a little: most clients look up only then."""

        async def hold_back_end(message: Any) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "more_body": True}
            await send(message)

        status = await refuse_unseen(hold_back_end, response, close=True)
        try:
            async with asyncio.timeout(_LINGER):
                await until_disconnect(receive)
        except TimeoutError:
            await send({"type": "http.response.body", "body": b""})
        return status

    def _respond(self, environ: dict[str, Any], answer: "_Answer") -> None:
        """In a thread of the pool: run the application. What is to be sent piece by piece is not yet looked at."""
        result = self.application(environ, answer.start_response)
        if getattr(result, "streaming", True):
            answer.pieces = result
            return
        try:
            answer.rest = b"".join(result)
        finally:
            # Ends the request for Django, in the thread whose connection it used.
            getattr(result, "close", lambda: None)()

    async def _send_pieces(self, answer: "_Answer", pieces: Iterable[bytes], with_body: bool) -> None:
        """A thread makes a piece, the loop sends it, and so on: a slow client holds no thread."""
        is_file = isinstance(pieces, FileToSend)
        idlest = min(self._makers, key=self._making.__getitem__)
        threads, patience = (self._files, None) if is_file else (idlest, _STALLED)
        self._making[threads] += 1
        try:
            left = await self._run(threads, iter, pieces)
            while with_body and not answer.gone and (piece := await self._run(threads, next, left, None)) is not None:
                await answer.send_piece(piece, patience)
            if not answer.gone:
                await answer.send_rest()
        finally:
            # Ends the request for Django; in the thread that may still be making a piece, where this was cancelled.
            try:
                await self._run(threads, getattr(pieces, "close", lambda: None))
            finally:
                self._making[threads] -= 1


class _Answer:
    """One answer on its way: started by the application in a thread, sent by the loop."""

    def __init__(self, send: Send):
        self._send = send
        self.status = 500
        self.headers: list[tuple[bytes, bytes]] = []
        #: What is made while it is sent; else `rest` is all.
        self.pieces: Iterable[bytes] | None = None
        self.rest = b""
        self.gone = False
        self._begun = False

    def client_left(self, _: Any) -> None:
        self.gone = True

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        """PEP 3333's, without the `write` that nothing here calls."""
        self.status = int(status.split(" ", 1)[0])
        self.headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]

    async def send_piece(self, piece: bytes, patience: float | None) -> None:
        """Send a piece and wait until the client takes it, for `patience` [s]."""
        try:
            async with asyncio.timeout(patience):
                await self._begin()
                await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        except TimeoutError:
            self.gone = True
            logger.info("A client took nothing for %.0f s: its answer was given up.", patience)

    async def send_rest(self) -> None:
        await self._begin()
        await self._send({"type": "http.response.body", "body": self.rest})

    async def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            await self._send({"type": "http.response.start", "status": self.status, "headers": self.headers})


def environ_of(scope: Scope, body: Any, length: int) -> dict[str, Any]:
    """The WSGI environment of an ASGI request (PEP 3333). `length` is the body's [bytes], however it was sent."""
    server = scope.get("server") or ("localhost", 80)
    client = scope.get("client") or ("", 0)
    root = scope.get("root_path", "")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": _native(root),
        "PATH_INFO": _native(scope["path"].removeprefix(root)),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": server[0],
        "SERVER_PORT": str(server[1] or 0),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": client[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileToSend,
    }
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if "_" in name:
            continue  # would be taken for the header with a hyphen, which a proxy may have vouched for
        key = name.upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        if key in environ:
            value = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{value}"
        environ[key] = value
    environ.pop("HTTP_CONTENT_LENGTH", None)
    environ["CONTENT_LENGTH"] = str(length)
    return environ


def _native(text: str) -> str:
    """Text as WSGI carries it: its UTF-8 bytes, each as one character."""
    return text.encode().decode("latin-1")
