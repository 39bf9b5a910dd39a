"""A local server of feeds that answer late, as servers far away do: the load for `benchmarks.feeds` and sweep.

    python -m benchmarks.feed_server [--delay 0.2] [--size 8192] [--port 0]

Prints its URL once it listens, and serves until its standard input ends. Every path `/N` is a feed of its own.
"""

import argparse
import asyncio
import random
import sys
from functools import cache

WORDS = (
    "harbour", "ledger", "winter", "signal", "garden", "copper", "window", "letter", "engine", "river", "season",
)  # fmt: skip


@cache
def feed(number: int, size: int) -> bytes:
    """An RSS feed of about `size` bytes, the same for a number every time."""
    draw = random.Random(number)
    head = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<rss version="2.0"><channel>'
        f"<title>Feed {number}</title><link>http://example.org/{number}</link><description>Words</description>"
    )
    items, length = [], len(head)
    while length < size - 500:
        place = len(items) + 1
        items.append(
            f"<item><title>{' '.join(draw.choices(WORDS, k=6))}</title>"
            f"<link>http://example.org/{number}/{place}</link><guid>{number}-{place}</guid>"
            f"<pubDate>{place % 28 + 1:02} Nov 2026 10:00:00 +0000</pubDate>"
            f"<description>&lt;p&gt;{' '.join(draw.choices(WORDS, k=45))}&lt;/p&gt;</description></item>"
        )
        length += len(items[-1])
    body = head + "".join(items)
    return (body + " " * max(0, size - len(body) - 16) + "</channel></rss>").encode()


class Server:
    """delay: [s] before each answer. size: [bytes] of each body."""

    def __init__(self, delay: float, size: int):
        self.delay, self.size = delay, size

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split(b" ", 2)[1].decode()
                await asyncio.sleep(self.delay)
                digits = "".join(filter(str.isdigit, path)) or "0"
                body = feed(int(digits) % 1000, self.size)
                writer.write(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\n"
                    b"Content-Length: %d\r\n\r\n" % len(body) + body
                )
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


async def run(delay: float, size: int, port: int) -> None:
    for number in range(1000):  # made beforehand, so that only waiting and sending is measured
        feed(number, size)
    server = await asyncio.start_server(Server(delay, size).serve, "127.0.0.1", port, backlog=2048)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delay", type=float, default=0.2)
    parser.add_argument("--size", type=int, default=8192)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    asyncio.run(run(options.delay, options.size, options.port))


if __name__ == "__main__":
    main()
