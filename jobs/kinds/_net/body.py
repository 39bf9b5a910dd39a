"""Reading a response's body within bounds, also where a small one unpacks to a huge one."""

import http.client
import zlib

#: [bytes] of one read.
CHUNK = 64 * 1024
#: Encodings that requests ask for, and that are unpacked here.
ACCEPTED = "gzip, deflate"


#: What a body may be packed as: in no way at all, or in one of those that were asked for.
_PLAIN = ("", "identity")
_CODINGS = (*_PLAIN, "gzip", "x-gzip", "deflate")


class NotAskedFor(Exception):
    """The body is packed in a way that was not asked for."""


class TooLarge(Exception):
    """The body is larger than allowed."""


class Broken(Exception):
    """The body ended early, or is packed in a way that cannot be undone."""


def read(response: http.client.HTTPResponse, limit: int) -> tuple[bytes, int]:
    """The unpacked body, at most `limit` bytes, and the bytes that came over the wire.

    Raises TooLarge, Broken, NotAskedFor, and what the socket raises.
    """
    if response.length is not None and response.length > limit:
        raise TooLarge
    coding = response.headers.get("Content-Encoding", "").strip().lower()
    if coding not in _CODINGS:
        raise NotAskedFor(f"packed as {coding[:40]}, which was not asked for")
    unpack = _Unpack() if coding not in _PLAIN else None
    parts: list[bytes] = []
    size = received = 0
    while data := response.read1(CHUNK):
        received += len(data)
        if unpack:
            data = unpack.feed(data, limit - size)
        size += len(data)
        if size > limit or received > limit:
            raise TooLarge
        parts.append(data)
    if response.length:
        raise Broken(f"the answer ended {response.length:,} bytes early")
    if unpack and received and not unpack.is_complete:
        raise Broken("the packed answer ended early")
    return b"".join(parts), received


class _Unpack:
    """zlib's, never making more than asked for at a time."""

    def __init__(self) -> None:
        # gzip and zlib are told apart by their head; "deflate" without any head is met later.
        self._inner = zlib.decompressobj(zlib.MAX_WBITS | 32)
        self._is_first = True

    @property
    def is_complete(self) -> bool:
        return self._inner.eof

    def feed(self, data: bytes, room: int) -> bytes:
        """What `data` unpacks to; raises TooLarge where that is more than `room`."""
        made = b""
        while data:
            if self._inner.eof:  # gzip may come as several members, one after the other
                if not data.startswith(b"\x1f\x8b"):
                    break
                self._inner = zlib.decompressobj(zlib.MAX_WBITS | 32)
            made += self._step(data, room - len(made) + 1)
            if len(made) > room:
                raise TooLarge
            data = self._inner.unused_data if self._inner.eof else b""
        return made

    def _step(self, data: bytes, most: int) -> bytes:
        try:
            return self._inner.decompress(data, most)
        except zlib.error as error:
            if not self._is_first:
                raise Broken(f"the packed answer is damaged ({error})") from error
            self._inner = zlib.decompressobj(-zlib.MAX_WBITS)
            try:
                return self._inner.decompress(data, most)
            except zlib.error:
                raise Broken(f"the packed answer is damaged ({error})") from error
        finally:
            self._is_first = False
