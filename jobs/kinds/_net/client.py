"""An HTTP client with limits: time for the whole exchange, size, redirects, and where it may go.

Blocking calls of the standard library and nothing else, so it waits in whatever way the worker's pool waits.
"""

import http.client
import ssl
import time
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from jobs.core.fields import size_in_words
from jobs.kinds._net import addresses, body, urls
from jobs.kinds._net.connection import Connection, Kept
from jobs.kinds._net.watch import Deadline

AGENT = "Jobsite/0.1"
#: May be sent twice: what a kept connection lost may have been answered already.
REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: Never sent on to another origin.
PRIVATE_HEADERS = frozenset({"authorization", "cookie", "proxy-authorization"})


class FetchError(Exception):
    """No usable answer came. The text is a sentence for people; `may_pass` says whether a later try is worth it."""

    may_pass = True


class Unreachable(FetchError):
    """No connection, or it broke off."""


class TimedOut(FetchError):
    """The answer was not complete in time."""


class Refused(FetchError):
    """What was asked for, or what came, is not allowed or not usable; it will be the same next time."""

    may_pass = False


@dataclass(frozen=True)
class Request:
    """url: normal (urls.normal). timeout: [s] for all of it, redirects included. max_size: [bytes] unpacked.

    secret: names of headers, lower case, that no other origin is told.
    """

    url: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    timeout: float = 30.0
    max_size: int = 10 * 1024 * 1024
    max_redirects: int = 5
    secret: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Answer:
    """url: the last of the redirects. size: [bytes] over the wire; ms: from the request to the last byte."""

    url: str
    status: int
    reason: str
    headers: http.client.HTTPMessage
    body: bytes
    size: int
    ms: float
    redirects: int


class Client:
    """Keeps connections; usable by many threads at once, green or not."""

    def __init__(self, connections: int):
        self._kept = Kept(connections)

    def close(self) -> None:
        self._kept.close()

    def fetch(self, request: Request, deadline: Deadline | None = None) -> Answer:
        """The final answer, whatever its status. Raises FetchError.

        deadline: where the caller wants to end the exchange itself (`Deadline.shut`).
        """
        started = time.perf_counter()
        deadline = deadline or Deadline(time.monotonic() + request.timeout)
        now, followed = request, 0
        with deadline:
            while True:
                answer = self._exchange(now, deadline)
                location = answer.headers.get("Location")
                if answer.status not in REDIRECTS or not location or request.max_redirects == 0:
                    ms = (time.perf_counter() - started) * 1000
                    return replace(answer, ms=round(ms, 1), redirects=followed)
                if followed == request.max_redirects:
                    raise Refused(f"Redirected more than {followed} times, last to {location[:200]}.")
                now, followed = _redirect(now, answer, location), followed + 1

    def _exchange(self, request: Request, deadline: Deadline) -> Answer:
        try:
            return self._sent(request, deadline)
        except FetchError:
            raise
        except addresses.PrivateAddress as error:
            raise Refused(str(error)) from error
        except body.NotAskedFor as error:
            host = urlsplit(request.url).hostname or ""
            raise Refused(f"{host}: the answer is {error}.") from error
        except body.TooLarge as error:
            raise Refused(f"The answer is larger than {size_in_words(request.max_size)}.") from error
        except Exception as error:
            if deadline.has_passed or isinstance(error, TimeoutError):
                raise TimedOut(f"No complete answer within {request.timeout:g} s.") from error
            raise _told(error, urlsplit(request.url).hostname or "") from error

    def _sent(self, request: Request, deadline: Deadline) -> Answer:
        origin = urls.origin(request.url)
        repeatable = request.method in REPEATABLE
        connection = self._kept.take(origin, fresh=not repeatable)
        if connection.is_open:
            try:
                return self._use(connection, request, deadline)
            except (http.client.BadStatusLine, ConnectionError, ssl.SSLError):
                # An idle connection that the server had closed meanwhile; RemoteDisconnected is a BadStatusLine.
                if deadline.has_passed:
                    raise
            connection = self._kept.take(origin, fresh=True)
        return self._use(connection, request, deadline)

    def _use(self, connection: Connection, request: Request, deadline: Deadline) -> Answer:
        reusable = False
        try:
            connection.begin(deadline)
            parts = urlsplit(request.url)
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            headers = {"User-Agent": AGENT, "Accept": "*/*", "Accept-Encoding": body.ACCEPTED, **request.headers}
            connection.request(request.method, target, request.body, headers)
            with connection.getresponse() as response:
                content, size = body.read(response, request.max_size)
                if deadline.has_passed:
                    raise TimeoutError  # http.client takes a head or body that was shut off for one that has ended
                reusable = not response.will_close
            return Answer(
                request.url, response.status, response.reason, response.headers, content, size, ms=0.0, redirects=0
            )
        finally:
            deadline.sock = None
            self._kept.give(connection, reusable=reusable)


def _redirect(request: Request, answer: Answer, location: str) -> Request:
    """The request that a redirect asks for, as browsers do it: 307 and 308 keep the method, the others turn to GET."""
    try:
        url = urls.redirected(request.url, location)
    except ValueError as error:
        raise Refused(f"Redirected to a URL that {error}: {location[:200]}") from error
    headers = request.headers
    if urls.origin(url) != urls.origin(request.url):
        withheld = PRIVATE_HEADERS | request.secret
        headers = {name: value for name, value in headers.items() if name.lower() not in withheld}
    if answer.status in (307, 308) or request.method in ("GET", "HEAD"):
        return replace(request, url=url, headers=headers)
    headers = {name: value for name, value in headers.items() if not name.lower().startswith("content-")}
    return replace(request, url=url, headers=headers, method="GET", body=None)


def _told(error: Exception, host: str) -> FetchError:
    """What went wrong, in a sentence."""
    match error:
        case ssl.SSLCertVerificationError():
            return Refused(f"{host}: its certificate was not accepted ({error.verify_message}).")
        case ssl.SSLError():
            return Unreachable(f"{host}: the encrypted connection failed ({error.reason or error}).")
        case addresses.NoSuchHost():
            return Unreachable(f"{error}.")
        case ConnectionRefusedError():
            return Unreachable(f"{host}: connection refused.")
        case body.Broken() | http.client.IncompleteRead():
            return Unreachable(f"{host}: the answer broke off.")
        case http.client.RemoteDisconnected() | ConnectionError():
            return Unreachable(f"{host}: the connection was closed without an answer.")
        case http.client.HTTPException() | ValueError():
            said = str(error)[:200] or type(error).__name__
            return Refused(f"{host}: the answer is not HTTP as it should be ({said}).")
        case OSError():
            return Unreachable(f"{host}: {error.strerror or error}.")
    raise error
