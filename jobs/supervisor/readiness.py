"""Waits until the site answers, and says so; or says what is missing."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

PATIENCE = 30.0  # [s]


def probe(url: str) -> str:
    """What is missing until /readyz answers 200; "" once it does."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 (our own http URL)
            return "" if answer.status == 200 else f"/readyz answers {answer.status}"
    except urllib.error.HTTPError as error:
        return missing(error.read()) or f"/readyz answers {error.code}"
    except OSError as error:
        return f"the web server does not answer yet ({getattr(error, 'reason', error)})"


def missing(body: bytes) -> str:
    """The checks that failed, out of /readyz's JSON: {"checks": {NAME: {"ok": bool, "detail": str}}}."""
    try:
        checks: Any = json.loads(body)["checks"]
        failed = {name: check for name, check in checks.items() if not check["ok"]}
    except (ValueError, KeyError, TypeError, AttributeError):
        return body.decode(errors="replace").strip()[:300]
    return "; ".join(f"{name}: {check.get('detail') or 'failed'}" for name, check in failed.items())


class Readiness(threading.Thread):
    """Calls `ready` once, when the site is; `late` once, with what is missing, after PATIENCE."""

    def __init__(self, url: str, ready: Callable[[], None], late: Callable[[str], None]):
        super().__init__(name="readiness", daemon=True)
        self._url, self._ready, self._late = url, ready, late
        self._stop = threading.Event()

    def stop(self) -> None:
        self._stop.set()

    def run(self) -> None:
        deadline, told = time.monotonic() + PATIENCE, False
        while not self._stop.wait(0.2):
            lacking = probe(self._url)
            if self._stop.is_set():
                return
            if not lacking:
                self._ready()
                return
            if not told and time.monotonic() > deadline:
                told = True
                self._late(lacking)
