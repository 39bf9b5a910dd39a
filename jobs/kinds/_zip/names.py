"""Names of files: fit for every system, and none twice."""

import re
from pathlib import PurePosixPath

#: Characters that some file system does not take within a name.
FORBIDDEN = r'[\x00-\x1f\x7f/\\:*?"<>|]'
_LONGEST = 200


def own(path: str) -> tuple[str, str]:
    """The last part of a path, in characters that every system takes, as stem and suffix: ("photo", ".jpg")."""
    name = re.sub(FORBIDDEN, "_", PurePosixPath(path.replace("\\", "/")).name).strip(" .")
    suffix = PurePosixPath(name).suffix[:20]
    return (name[: len(name) - len(suffix)] if suffix else name)[:_LONGEST] or "file", suffix


class Numbered:
    """Gives each name once, whatever its case: two a.jpg become a.jpg and a-2.jpg."""

    def __init__(self) -> None:
        #: The last number that each name was given.
        self._last: dict[str, int] = {}

    def name(self, stem: str, suffix: str) -> str:
        """suffix: with its dot, or empty."""
        first = f"{stem}{suffix}".lower()
        name, number = f"{stem}{suffix}", self._last.get(first, 1)
        while name.lower() in self._last:
            number += 1
            name = f"{stem}-{number}{suffix}"
        self._last[name.lower()] = 1
        self._last[first] = number
        return name
