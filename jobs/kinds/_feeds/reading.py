"""Asking the processes that read feeds (child.py): started when first needed, kept while they are used."""

import json
import os
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

#: Processes of one worker, and so feeds read at a time.
CHILDREN = min(2, os.cpu_count() or 1)
#: [s] for one feed; then its process is ended.
PATIENCE = 20.0

_slots = threading.Semaphore(CHILDREN)
_idle: list["_Child"] = []


class Unreadable(Exception):
    """The feed's reader gave up, in a sentence."""


class _Child:
    """One process, and the socket to it."""

    def __init__(self) -> None:
        self.sock, theirs = socket.socketpair()
        try:
            self.sock.settimeout(PATIENCE)
            # -I: nothing beside the script, and no variable of the environment, changes what it imports.
            self.process = subprocess.Popen(
                [sys.executable, "-I", str(Path(__file__).with_name("child.py"))],
                stdin=theirs.fileno(), stdout=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        except BaseException:
            self.sock.close()
            raise
        finally:
            theirs.close()

    def ask(self, question: bytes, body: bytes) -> tuple[dict[str, Any], bytes]:
        self.sock.sendall(struct.pack(">II", len(question), len(body)) + question + body)
        head, items = struct.unpack(">II", self._exactly(8))
        return json.loads(self._exactly(head)), self._exactly(items)

    def _exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            part = self.sock.recv(min(1 << 20, count - len(data)))
            if not part:
                raise ConnectionError("the process that reads feeds has ended")
            data += part
        return bytes(data)

    def end(self) -> None:
        self.sock.close()
        self.process.kill()
        self.process.wait()


def read(body: bytes, url: str, content_type: str) -> tuple[dict[str, Any], bytes]:
    """What a body is, {"type", "title", "newest", "items", "seconds"}, and its items as JSON Lines.

    Raises Unreadable.
    """
    question = json.dumps({"url": url, "content_type": content_type}).encode()
    with _slots:
        while True:
            was_idle = bool(_idle)
            child = _idle.pop() if was_idle else _Child()
            try:
                head, items = child.ask(question, body)
            except TimeoutError:
                child.end()
                raise Unreadable(f"Not read within {PATIENCE:g} s.") from None
            except OSError:
                child.end()
                if was_idle:
                    continue  # it had ended for want of work
                raise Unreadable("Reading it took too much memory, or ended its reader.") from None
            except BaseException:
                child.end()
                raise
            _idle.append(child)
            break
    if error := head.get("error"):
        raise Unreadable(f"The feed {error}.")
    return head, items
