"""GET /api/v1/events: one open page's stream of server-sent events.

Format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
from contextlib import suppress
from urllib.parse import parse_qs

from jobs.core.outage import outage_of
from jobs.web.api.problem import invalid
from jobs.web.live import frames
from jobs.web.live.access import NOT_SIGNED_IN, Access, Who
from jobs.web.live.http import Receive, Scope, Send, refuse, until_disconnect
from jobs.web.live.stream import Client, Hub

#: [s] between comments that keep proxies from closing a quiet stream, and find out about clients that are gone.
HEARTBEAT = 15.0
#: [s] for which a client may take nothing before it is dropped.
_STALLED = 20.0

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
]


async def serve(
    scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send, hub: Hub, access: Access
) -> int:
    """Hold the stream open until the client goes, falls behind, loses its access, or the server stops."""
    who = await access.who(headers)
    if who is None:
        return await refuse(send, NOT_SIGNED_IN)
    job = parse_qs(scope["query_string"].decode("latin-1")).get("job", [None])[0]
    last_seen = headers.get(b"last-event-id", b"").decode("latin-1").strip()
    if last_seen and not _is_stream_id(last_seen):
        return await refuse(send, invalid({"Last-Event-ID": ["Expected the id of an event, such as 1763692512345-0."]}))
    with hub.open(who.audience, job, last_seen) as (client, group):
        gone = asyncio.create_task(until_disconnect(receive))
        gone.add_done_callback(lambda _: client.end())
        try:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            while await _may_go_on(who, headers, access) and not hub.closing:
                data = await _next(client)
                if client.ended:
                    break
                if not data:
                    # Where nothing of the group's waits, the client has all up to here, and may be told so.
                    data = frames.HEARTBEAT + (b"" if group.pending else frames.position_only(hub.position))
                async with asyncio.timeout(_STALLED):
                    await send({"type": "http.response.body", "body": data, "more_body": True})
            if not gone.done():
                async with asyncio.timeout(_STALLED):
                    await send({"type": "http.response.body", "body": b""})
        except TimeoutError:
            return 200
        finally:
            gone.cancel()
    return 200


async def _next(client: Client) -> bytes:
    """What waits for the client, as soon as there is something; nothing after a heartbeat's time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(HEARTBEAT):
            await client.wake.wait()
    return client.take()


async def _may_go_on(who: Who, headers: dict[bytes, bytes], access: Access) -> bool:
    """Whether the same person still has the same access; asked again at least at every heartbeat, from memory.

    Where SQL cannot be asked, the stream ends in order: its page comes back, and hears 503 until it can.
    """
    try:
        now = await access.who(headers)
    except Exception as error:
        if outage_of(error) is None:
            raise
        return False
    return now is not None and (now.user, now.is_operator) == (who.user, who.is_operator)


def _is_stream_id(text: str) -> bool:
    milliseconds, _, sequence = text.partition("-")
    # isdigit alone takes digits of all scripts, "²" among them, which no number is read from.
    return text.isascii() and milliseconds.isdigit() and (not sequence or sequence.isdigit()) and len(text) <= 40
