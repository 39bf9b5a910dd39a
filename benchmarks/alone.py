"""One piece of work in a process of its own: what it said, how long it took, how much memory it came to."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psutil

from benchmarks.site import ROOT


@dataclass
class Cost:
    #: What the process printed last, as JSON.
    said: Any
    #: Peak of resident memory, and of that which is the process's own: not a file's pages that are mapped [MB].
    resident: float
    own: float


def measured(module: str, *words: str, environment: Mapping[str, str]) -> Cost:
    """Run `python -m module words…` to its end."""
    process = subprocess.Popen(
        [sys.executable, "-m", module, *words], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    resident = own = 0.0
    watched = psutil.Process(process.pid)
    while process.poll() is None:
        try:
            memory = watched.memory_info()
        except psutil.NoSuchProcess:
            break
        resident, own = max(resident, memory.rss / 1e6), max(own, (memory.rss - memory.shared) / 1e6)
        time.sleep(0.02)
    said = process.communicate()[0]
    if process.returncode:
        raise SystemExit(f"{module} {' '.join(words)} ended with {process.returncode}")
    return Cost(json.loads(said.splitlines()[-1]), resident, own)
