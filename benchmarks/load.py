"""Keep-alive clients with as little work of their own as possible, so that the server is what is measured.

All clients are plain sockets of one process beside the server; against `/healthz` they reach over
20,000 requests/s, several times what any call measured here answers.
"""

import multiprocessing
import queue
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import quantiles


@dataclass(frozen=True)
class Load:
    """What a load run saw. times: seconds of each answer, in the order of their ends."""

    times: list[float]
    seconds: float

    @property
    def rate(self) -> float:
        """[1/s]"""
        return len(self.times) / self.seconds

    @property
    def p50(self) -> float:
        """[ms]"""
        return self._cut(49)

    @property
    def p99(self) -> float:
        """[ms]"""
        return self._cut(98)

    def _cut(self, index: int) -> float:
        times = self.times if len(self.times) > 1 else self.times * 2
        return quantiles(times, n=100, method="inclusive")[index] * 1e3


def request(method: str, path: str, token: str = "", body: bytes = b"") -> bytes:
    head = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    if token:
        head.append(f"Authorization: Bearer {token}")
    if body:
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def load(
    port: int, requests: Sequence[bytes], *, clients: int, seconds: float, expected: int = 200, at_least: int = 3
) -> Load:
    """Send the requests in turn from each client for so long, and until `at_least` answers in all have come.

    Raises SystemExit for an answer of another status.
    """
    results: multiprocessing.Queue[Load | str] = multiprocessing.Queue()
    process = multiprocessing.Process(
        target=_drive, args=(port, list(requests), clients, seconds, expected, at_least, results)
    )
    process.start()
    while True:
        try:
            found = results.get(timeout=1.0)
            break
        except queue.Empty:
            if not process.is_alive():
                raise SystemExit("the clients ended early") from None
    process.join()
    if isinstance(found, str):
        raise SystemExit(found)
    return found


class _Client:
    def __init__(self, port: int, number: int):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()
        self.turn = number
        self.sent_at = 0.0

    def send(self, requests: list[bytes]) -> None:
        self.sent_at = time.perf_counter()
        self.socket.sendall(requests[self.turn % len(requests)])
        self.turn += 1

    def answer(self) -> tuple[int, bytes]:
        """Status and body of one answer."""
        while (end := self.buffer.find(b"\r\n\r\n")) < 0:
            self._receive()
        head = bytes(self.buffer[:end]).lower()
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0]) if b"content-length:" in head else 0
        while len(self.buffer) < end + 4 + length:
            self._receive()
        body = bytes(self.buffer[end + 4 : end + 4 + length])
        del self.buffer[: end + 4 + length]
        return int(head[9:12]), body

    def _receive(self) -> None:
        if not (more := self.socket.recv(262_144)):
            raise ConnectionError("the server closed the connection")
        self.buffer += more


def _drive(port: int, requests: list[bytes], clients: int, seconds: float, expected: int, at_least: int,
           results: "multiprocessing.Queue[Load | str]") -> None:  # fmt: skip
    selector = selectors.DefaultSelector()
    times: list[float] = []
    started = time.perf_counter()
    for number in range(clients):
        client = _Client(port, number)
        selector.register(client.socket, selectors.EVENT_READ, client)
        client.send(requests)
    waiting = clients
    while waiting:
        for key, _ in selector.select(1.0):
            client = key.data
            status, body = client.answer()
            if status != expected:
                results.put(f"expected status {expected}, got {status}: {body[:300]!r}")
                return
            now = time.perf_counter()
            times.append(now - client.sent_at)
            if now - started < seconds or len(times) < at_least:
                client.send(requests)
            else:
                waiting -= 1  # nothing stays in the server that the next round would wait for
    results.put(Load(times, time.perf_counter() - started))
