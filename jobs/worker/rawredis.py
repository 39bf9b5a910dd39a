"""A Redis connection for an unpatched thread.

redis-py takes its sockets from the patched module; this speaks the protocol (https://redis.io/docs/latest/develop/reference/protocol-spec/,
RESP2) over a real one. Only what the lease thread needs.
"""

import ssl
from typing import Any

from jobs.wire import redis_url
from jobs.wire.connection import refuses
from jobs.worker.real import original


class RedisError(Exception):
    """An error that Redis answered, e.g. NOSCRIPT."""


class RawRedis:
    """One connection, opened at first use and again after a failure. Not to be shared between threads."""

    def __init__(self, url: str, timeout: float = 5.0):
        self._url, self._timeout = redis_url.parse(url), timeout
        self._socket: Any = None
        self._buffer = b""

    def call(self, *words: Any) -> Any:
        """One command. Raises OSError where Redis is unreachable or refuses for now, RedisError for another error."""
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
                raise OSError(str(answer)) if refuses(str(answer)) else answer
        return answers

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        self._buffer = b""

    def _connect(self) -> None:
        url = self._url
        self._socket = self._open()
        hello: list[tuple[Any, ...]] = []
        if url.password:
            hello.append(("AUTH", *([url.username] if url.username else []), url.password))
        if url.database:
            hello.append(("SELECT", url.database))
        for answer in self._exchange(hello) if hello else []:
            if isinstance(answer, RedisError):
                raise OSError(str(answer))

    def _open(self) -> Any:
        url, sockets = self._url, original("socket")
        if url.path:
            sock = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
            try:
                sock.settimeout(self._timeout)
                sock.connect(url.path)
            except OSError:
                sock.close()
                raise
            return sock
        sock = sockets.create_connection((url.host, url.port), self._timeout)
        if not url.tls:
            return sock
        try:
            return _TLS(sock, _tls_context(url), url.host)
        except (OSError, ValueError):
            sock.close()
            raise

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


class _TLS:
    """TLS over a real socket, by way of memory: Python's own SSL sockets are green where eventlet or gevent patched."""

    def __init__(self, sock: Any, context: ssl.SSLContext, host: str):
        self._socket, self._in, self._out = sock, ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._in, self._out, server_hostname=host)
        self._do(self._tls.do_handshake)

    def sendall(self, data: bytes) -> None:
        while data:
            data = data[self._do(self._tls.write, data) :]

    def recv(self, size: int) -> bytes:
        return self._do(self._tls.read, size)

    def close(self) -> None:
        self._socket.close()

    def _do(self, step: Any, *args: Any) -> Any:
        """The step's answer, after as much was sent and received as it needs."""
        while True:
            try:
                answer = step(*args)
            except ssl.SSLWantReadError:
                self._send()
                received = self._socket.recv(65536)
                if not received:
                    raise ConnectionError("Redis closed the connection") from None
                self._in.write(received)
            else:
                self._send()
                return answer

    def _send(self) -> None:
        if data := self._out.read():
            self._socket.sendall(data)


def _tls_context(url: redis_url.RedisURL) -> ssl.SSLContext:
    """As redis-py makes it: the authority of ssl_ca_certs, where it is given, beside those of the system."""
    context = ssl.create_default_context()
    context.check_hostname = url.check_hostname
    context.verify_mode = getattr(ssl, f"CERT_{url.cert_reqs.upper()}")
    if authority := url.files.get("ssl_ca_certs"):
        context.load_verify_locations(authority)
    if certificate := url.files.get("ssl_certfile"):
        context.load_cert_chain(certificate, url.files.get("ssl_keyfile"))
    return context


def _encode(words: tuple[Any, ...]) -> bytes:
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)
