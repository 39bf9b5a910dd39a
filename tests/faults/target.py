"""The server that jobs of the kind http ask: it counts who asked, and answers late, and now and then with 503."""

import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

#: [s] that an answer takes, by the number in the path: such jobs are on their way when a worker is killed.
DELAYS = (0.0, 0.05, 0.3, 1.0)


class Target:
    """Each path asked once for each attempt, if all is well. `hits`: how often each was."""

    def __init__(self) -> None:
        self.hits: Counter[str] = Counter()
        lock = threading.Lock()
        hits = self.hits

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                number = int(self.path.rsplit("/", 1)[1])
                with lock:
                    hits[self.path] += 1
                    is_first = hits[self.path] == 1
                time.sleep(DELAYS[number % len(DELAYS)])
                body = b"done"
                self.send_response(503 if is_first and number % 20 == 0 else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                self.do_GET()

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, request: object, client_address: object) -> None:
                """Whoever asked was killed meanwhile."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
