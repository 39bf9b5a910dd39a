"""A web server for tests of kinds that fetch: well-behaved pages, and everything that servers do wrong."""

import contextlib
import gzip
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

FEED = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0"><channel><title>{title}</title><link>http://example.org/</link>{items}</channel></rss>"""
ITEM = (
    "<item><title>{title}</title><link>http://example.org/{number}</link><guid>{number}</guid>"
    "<pubDate>Sat, {number:02} Nov 2026 10:00:00 GMT</pubDate>"
    "<description>&lt;p&gt;Text of {number}&lt;/p&gt;</description></item>"
)

#: 16 MB of zeros in 16 KB.
BOMB = gzip.compress(bytes(16 * 1024 * 1024))


def rss(title: str = "News", count: int = 3) -> bytes:
    items = "".join(ITEM.format(title=f"Item {number}", number=number) for number in range(1, count + 1))
    return FEED.format(title=title, items=items).encode()


class WebServer:
    """Answers by path. `route` sets what a path answers; `seen` holds every request that came.

    A route is a function of the request's handler, or (status, headers, body).
    """

    def __init__(self) -> None:
        self.routes: dict[str, Any] = {}
        #: Of each path, the headers and the body of every request, in order.
        self.seen: dict[str, list[tuple[str, dict[str, str], bytes]]] = defaultdict(list)
        #: Connections that were opened.
        self.connections = 0
        self.ended = threading.Event()
        self._server = _Threading(("127.0.0.1", 0), _handler(self))
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def route(self, path: str, status: int = 200, body: bytes = b"", **headers: str) -> str:
        """Headers' underscores stand for hyphens. Answers the path's URL."""
        self.routes[path] = (status, {name.replace("_", "-"): value for name, value in headers.items()}, body)
        return self.url + path

    def serve(self, path: str, function: Callable[[BaseHTTPRequestHandler], None]) -> str:
        self.routes[path] = function
        return self.url + path

    def stop(self) -> None:
        self.ended.set()
        self._server.shutdown()
        self._server.server_close()

    # --- what servers do wrong

    def dribble(self, handler: BaseHTTPRequestHandler) -> None:
        """A byte every 50 ms, for ever: no pause is ever long."""
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        with contextlib.suppress(OSError):
            while not self.ended.wait(0.05):
                handler.wfile.write(b"x")
        handler.close_connection = True

    def dribble_head(self, handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
        with contextlib.suppress(OSError):
            while not self.ended.wait(0.05):
                handler.wfile.write(b"x")
        handler.close_connection = True

    def silence(self, handler: BaseHTTPRequestHandler) -> None:
        self.ended.wait(30)
        handler.close_connection = True

    @staticmethod
    def cut(handler: BaseHTTPRequestHandler) -> None:
        """Half of what was promised."""
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500)
        handler.close_connection = True

    @staticmethod
    def bomb(handler: BaseHTTPRequestHandler) -> None:
        """Much more than it seems."""
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(BOMB)}\r\n\r\n"
        with contextlib.suppress(OSError):
            handler.wfile.write(head.encode() + BOMB)
        handler.close_connection = True

    @staticmethod
    def endless(handler: BaseHTTPRequestHandler) -> None:
        """Chunks without end, and no length said."""
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(OSError):
            while True:
                handler.wfile.write(b"4000\r\n" + b"x" * 0x4000 + b"\r\n")
        handler.close_connection = True

    @staticmethod
    def nonsense(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"SSH-2.0-OpenSSH_9.9\r\n")
        handler.close_connection = True

    @staticmethod
    def slow(seconds: float, body: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
        def answer(handler: BaseHTTPRequestHandler) -> None:
            time.sleep(seconds)
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

        return answer


class _Threading(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


def _handler(server: WebServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            server.connections += 1
            super().setup()

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            path = self.path
            server.seen[path].append((self.command, dict(self.headers.items()), body))
            route = server.routes.get(path, (404, {}, b"nothing here"))
            if callable(route):
                route(self)
                return
            status, headers, body = route
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if status not in (204, 304):
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD" and status not in (204, 304):
                self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer

        def handle(self) -> None:
            with contextlib.suppress(OSError):
                super().handle()

        def log_message(self, *_: Any) -> None:
            """Nothing: requests are in `seen`."""

    return Handler
