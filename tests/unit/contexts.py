"""A `Context` for tests of kinds: does what a worker's does, on a temporary folder, and records what it was told."""

from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import IO, Any
from uuid import uuid4

from jobs.core.errors import Cancelled


class DictLedger:
    """The ledger in memory. `history` holds every mark in order; hand one ledger to the next attempt's context."""

    def __init__(self) -> None:
        self.entries: dict[str, dict[str, Any]] = {}
        self.history: list[tuple[str, str, str]] = []

    def all(self) -> dict[str, dict[str, Any]]:
        return {key: dict(entry) for key, entry in self.entries.items()}

    def mark(self, key: str, state: str, note: str = "") -> None:
        self.entries[key] = {"state": state, "note": note}
        self.history.append((key, state, note))


class RecordingContext:
    """The context of one attempt.

    folder: a temporary folder (pytest's tmp_path). Inputs are put there with `upload`, results kept in `saved`.
    cancel_at: `progress` and `check` raise Cancelled from this call on (0: at the first one).
    """

    def __init__(
        self,
        folder: Path,
        *,
        job_id: str = "0199f3c2-0000-7000-8000-000000000001",
        attempt: int = 1,
        max_attempts: int = 1,
        owner: str = "alice",
        ledger: DictLedger | None = None,
        cancel_at: int | None = None,
    ) -> None:
        self.folder = folder
        self.job_id, self.attempt, self.max_attempts, self.owner = job_id, attempt, max_attempts, owner
        self.ledger = ledger if ledger is not None else DictLedger()
        self.cancel_at = cancel_at
        #: (current, total, step) of every report, and the number of points of cancellation passed.
        self.reports: list[tuple[float, float, str]] = []
        self.points = 0
        self.lines: list[str] = []
        #: Every saved file by name, the last of a name.
        self.saved: dict[str, Path] = {}

    def upload(self, name: str, content: bytes) -> dict[str, Any]:
        """Put a file in; answers the reference that params carry."""
        artifact = uuid4().hex
        path = self.folder / "inputs" / artifact / name
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        return {"artifact": artifact, "name": name, "size": len(content), "path": str(path)}

    def progress(self, current: float, total: float, step: str = "") -> None:
        self.reports.append((current, total, step))
        self.check()

    def check(self) -> None:
        self.points += 1
        if self.cancel_at is not None and self.points > self.cancel_at:
            raise Cancelled

    def log(self, text: str) -> None:
        self.lines.append(text)

    def open(self, ref: Mapping[str, Any]) -> IO[bytes]:
        return self.path(ref).open("rb")

    def path(self, ref: Mapping[str, Any]) -> Path:
        return Path(ref["path"])

    def tempdir(self) -> Path:
        folder = self.folder / "temporary"
        folder.mkdir(exist_ok=True)
        return folder

    def save(self, name: str, content: bytes | Path | IO[bytes], content_type: str = "") -> dict[str, Any]:
        assert PurePath(name).name == name, f"{name!r} is a path, not a name"
        match content:
            case bytes():
                data = content
            case Path():
                data = content.read_bytes()
            case _:
                data = content.read()
        artifact = uuid4().hex
        path = self.folder / "saved" / artifact / name
        path.parent.mkdir(parents=True)
        path.write_bytes(data)
        self.saved[name] = path
        return {"artifact": artifact, "name": name, "size": len(data), "path": str(path)}
