"""Whether a source file has changed, by its time: polled, so that it works on every file system."""

from collections.abc import Iterable
from pathlib import Path

SUFFIXES = frozenset({".py", ".lua", ".html"})


class Sources:
    def __init__(self, folders: Iterable[Path]):
        self._folders = tuple(folders)
        self._seen = self._times()

    def changed(self) -> list[Path]:
        """The files that were written, made or removed since the last call."""
        now, before = self._times(), self._seen
        self._seen = now
        return sorted(path for path in now.keys() | before.keys() if now.get(path) != before.get(path))

    def _times(self) -> dict[Path, int]:
        times = {}
        for folder in self._folders:
            for path in folder.rglob("*"):
                if path.suffix in SUFFIXES:
                    try:
                        times[path] = path.stat().st_mtime_ns
                    except FileNotFoundError:
                        continue
        return times
