"""JSON Lines: one object a line."""

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from jobs.core.errors import PermanentError
from jobs.kinds._tables import encodings
from jobs.kinds._tables.text import LONGEST_FIELD

SUFFIXES = (".jsonl", ".ndjson")
#: Characters beyond 16 bits are written as two halves, of which programs that shorten texts leave one.
_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def objects(path: Path) -> Iterator[tuple[int, dict[str, Any], int]]:
    """Every object with its line, and the characters read so far.

    Raises PermanentError, with the line, for what is no JSON object.
    """
    done = 0
    encoding = encodings.find(lambda: path.open("rb")).name
    with path.open(encoding="utf-8-sig" if encoding == "utf-8" else encoding, newline="") as file:
        for number, line in enumerate(iter(partial(file.readline, LONGEST_FIELD + 1), ""), start=1):
            done += len(line)
            if line.strip():
                yield number, _object(line, number), done


def _object(line: str, number: int) -> dict[str, Any]:
    if len(line) > LONGEST_FIELD:
        raise PermanentError(
            f"Line {number} is longer than {LONGEST_FIELD // 1024**2} MB. Expected one object per line."
        )
    try:
        value = json.loads(line)
        if _HALF.search(line):
            value = json.loads(_whole(json.dumps(value, ensure_ascii=False)))
    except (ValueError, RecursionError) as error:
        raise PermanentError(f"Line {number} is no JSON ({error}). Expected one object per line.") from error
    if not isinstance(value, dict):
        raise PermanentError(f'Line {number} holds {line.strip()[:40]!r}. Expected an object such as {{"amount": 3}}.')
    return value


def _whole(text: str) -> str:
    """With U+FFFD for each half of a character that lacks the other: no file takes it."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
