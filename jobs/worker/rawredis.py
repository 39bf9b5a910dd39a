"""A Redis connection for an unpatched thread.

redis-py takes its sockets from the patched module; this speaks the protocol (https://redis.io/docs/latest/develop/reference/protocol-spec/,
RESP2) over a real one. Only what the lease thread needs.
"""

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from jobs.worker.real import original


class RedisError(Exception):
    """An error that Redis answered, e.g. NOSCRIPT."""


class RawRedis:
    """One connection, opened at first use and again after a failure. Not to be shared between threads."""

    def __init__(self, url: str, timeout: float = 5.0):
        self._url, self._timeout = urlsplit(url), timeout
        self._socket: Any = None
        self._buffer = b""

    def call(self, *words: Any) -> Any:
        """One command. Raises OSError where Redis is unreachable, RedisError for an error it answered."""
        return self.pipeline([words])[0]

    def pipeline(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        """Several commands in one round trip; raises the first error that was answered, after reading them all."""
        try:
            if self._socket is None:
                self._connect()
            answers = self._exchange(commands)
        except OSError:
            self.close()
            raise
        for answer in answers:
            if isinstance(answer, RedisError):
                raise answer
        return answers

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._buffer = b""

    def _connect(self) -> None:
        url, options = self._url, parse_qs(self._url.query)
        sock = original("socket").create_connection((url.hostname or "localhost", url.port or 6379), self._timeout)
        if url.scheme == "rediss":
            import ssl

            context = ssl.create_default_context()
            if options.get("ssl_cert_reqs", ["required"])[0].lower().removeprefix("cert_") == "none":
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            sock = context.wrap_socket(sock, server_hostname=url.hostname)
        self._socket = sock
        hello: list[tuple[Any, ...]] = []
        if url.password:
            hello.append(("AUTH", *([unquote(url.username)] if url.username else []), unquote(url.password)))
        if database := url.path.strip("/"):
            hello.append(("SELECT", database))
        for answer in self._exchange(hello) if hello else []:
            if isinstance(answer, RedisError):
                raise OSError(str(answer))

    def _exchange(self, commands: list[tuple[Any, ...]]) -> list[Any]:
        self._socket.sendall(b"".join(_encode(words) for words in commands))
        return [self._read() for _ in commands]

    def _line(self) -> bytes:
        while b"\r\n" not in self._buffer:
            self._receive()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _receive(self) -> None:
        chunk = self._socket.recv(65536)
        if not chunk:
            raise ConnectionError("Redis closed the connection")
        self._buffer += chunk

    def _read(self) -> Any:
        line = self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return RedisError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return self._bulk(int(rest))
        if kind == b"*":
            return None if int(rest) < 0 else [self._read() for _ in range(int(rest))]
        raise ConnectionError(f"Redis answered {line[:40]!r}")

    def _bulk(self, size: int) -> str | None:
        if size < 0:
            return None
        while len(self._buffer) < size + 2:
            self._receive()
        data, self._buffer = self._buffer[:size], self._buffer[size + 2 :]
        return data.decode(errors="replace")


def _encode(words: tuple[Any, ...]) -> bytes:
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)
