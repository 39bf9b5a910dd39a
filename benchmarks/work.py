"""A kind's work without a line around it: `Context` for a process that runs one job by itself."""

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


class BareContext:
    """Does of a worker's Context what is work; tells nobody. inputs are files on this machine."""

    job_id, attempt, max_attempts = "benchmark", 1, 1

    def __init__(self, folder: Path, owner: str = "") -> None:
        self.folder, self.owner = folder, owner
        #: Bytes of what was saved, by name.
        self.saved: dict[str, int] = {}

    def progress(self, current: float, total: float, step: str = "") -> None:
        pass

    def check(self) -> None:
        pass

    def log(self, text: str) -> None:
        pass

    def path(self, ref: Mapping[str, Any]) -> Path:
        return Path(ref["path"])

    def tempdir(self) -> Path:
        return self.folder

    def save(self, name: str, content: Path, content_type: str = "") -> dict[str, Any]:
        self.saved[name] = content.stat().st_size
        return {"artifact": name, "name": name, "size": self.saved[name], "path": str(content)}


@contextlib.contextmanager
def bare_context(owner: str = "") -> Iterator[BareContext]:
    with tempfile.TemporaryDirectory(prefix="jobsite-bench-") as folder:
        yield BareContext(Path(folder), owner)
