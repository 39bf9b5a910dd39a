"""The little of HTTP that the edge needs: read a request's headers, send an answer, name a problem."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.http.request import split_domain_port, validate_host

from jobs.web.api.problem import Problem
from jobs.web.security import POLICY

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

_ALWAYS = [(b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin")]
#: A request with one of these came through a proxy: its peer's address says nothing about who asks.
_FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip", b"via")


async def respond(
    send: Send,
    status: int,
    body: bytes = b"",
    headers: Headers = (),
    content_type: bytes = b"application/json",
) -> int:
    """Send a whole answer; returns its status."""
    start = [*headers, *_ALWAYS]
    if status != 304:
        start += [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})
    return status


async def refuse(send: Send, problem: Problem, headers: Headers = ()) -> int:
    """Send a problem as the API does; returns its status."""
    answer = problem.response()
    more = [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    return await respond(send, problem.status, answer.content, [*more, *headers], b"application/problem+json")


async def respond_with(send: Send, response: HttpResponse) -> int:
    """Send an answer that Django made whole; returns its status."""
    headers = {name.lower().encode("latin-1"): value.encode("latin-1") for name, value in response.items()}
    kind = headers.pop(b"content-type")
    return await respond(send, response.status_code, response.content, headers.items(), kind)


async def refuse_unseen(send: Send, response: HttpResponse, *, close: bool = False) -> int:
    """Send an answer that Django's middleware has not seen, with the header that it would add; returns its status."""
    response.headers.setdefault("Content-Security-Policy", POLICY)
    if close:
        response.headers["Connection"] = "close"
    return await respond_with(send, response)


def is_for_us(headers: dict[bytes, bytes]) -> bool:
    """Whether a request names a host of ours, as Django would judge it."""
    forwarded = headers.get(b"x-forwarded-host") if settings.USE_X_FORWARDED_HOST else None
    return is_our_host(forwarded or headers.get(b"host", b""))


async def until_disconnect(receive: Receive) -> None:
    """Returns once the client has gone; reads and forgets what it still sends."""
    while (await receive())["type"] != "http.disconnect":
        pass


def is_local(scope: Scope, headers: dict[bytes, bytes]) -> bool:
    """Whether somebody on this machine asks, without a proxy between, and by a name of ours.

    The name is checked because a page from elsewhere can point a name of its own at 127.0.0.1.
    """
    client = scope.get("client")
    if not client or any(name in headers for name in _FORWARDED):
        return False
    try:
        return ip_address(client[0]).is_loopback and is_our_host(headers.get(b"host", b""))
    except ValueError:
        return False


@lru_cache(maxsize=256)
def is_our_host(host: bytes) -> bool:
    domain, _ = split_domain_port(host.decode("latin-1"))
    allowed = settings.ALLOWED_HOSTS or (["localhost", "127.0.0.1", "[::1]"] if settings.DEBUG else [])
    return bool(domain) and validate_host(domain, allowed)
