"""A feed server that is slow to answer, as servers far away are: `python -m jobs.sweep.server SECONDS` tells its port.

It ends when its standard input does, so that it never outlives whoever started it.
"""

import asyncio
import sys

ITEM = b"<item><title>An item of the feed</title><link>http://127.0.0.1/item</link></item>\n"
BODY = b"<rss><channel>\n" + ITEM * (8000 // len(ITEM)) + b"</channel></rss>\n"
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/rss+xml\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
    % (
        len(BODY),
        BODY,
    )
)


async def serve(latency: float) -> None:
    """Answer every request after `latency` [s], for as long as standard input is open."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(latency)
            writer.write(ANSWER)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the worker was stopped in the middle
        finally:
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))
