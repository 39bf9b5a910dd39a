"""What results are called: a pattern with placeholders, and no name twice."""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from string import Formatter

from django import forms

from jobs.kinds._zip.names import FORBIDDEN, Numbered

#: Placeholders of a pattern, each with what stands in its place.
FIELDS = {
    "name": "the file's own name",
    "number": "its place among all",
    "width": "pixels of the result",
    "height": "pixels of the result",
    "format": "jpg, png, webp or avif",
}
SUFFIXES = {"jpeg": "jpg", "tiff": "tif"}
_SUFFIX = ".{format}"
#: Characters of the file's own name, and of a result's before its suffix.
_NAME, _STEM = 100, 200


def checked(pattern: str) -> set[str]:
    """The placeholders of a pattern. Raises ValidationError, saying what is wrong with it."""
    used = set()
    for literal, field, is_plain in _parts(pattern):
        if wrong := re.search(FORBIDDEN, literal):
            what = "separates folders" if wrong[0] in "/\\" else "cannot stand in a file's name"
            raise forms.ValidationError(f"“{wrong[0]}” {what}: write a name such as {{name}}-{{width}}.")
        if field is None:
            continue
        if field not in FIELDS or not is_plain:
            known = ", ".join(f"{{{name}}}" for name in FIELDS)
            raise forms.ValidationError(f"“{{{field}}}” is no placeholder. There are: {known}.")
        used.add(field)
    if pattern.startswith("."):
        raise forms.ValidationError("A name does not start with a dot: put {name} before it.")
    return used


def _parts(pattern: str) -> Iterator[tuple[str, str | None, bool]]:
    """(text, the placeholder behind it or None, whether that is a plain one)."""
    try:
        for literal, field, spec, conversion in Formatter().parse(pattern):
            yield literal, field, not (spec or conversion)
    except ValueError as error:
        raise forms.ValidationError("A brace stands alone: placeholders are written as {name}.") from error


class Names:
    """Names for the results of one job, each given once: two a.jpg become a.webp and a-2.webp.

    pattern: a checked one; "" for the default. images: how many there are. sizes: in how many sizes each is made.
    """

    def __init__(self, pattern: str, images: int, sizes: int) -> None:
        self._stem = pattern.strip().removesuffix(_SUFFIX) or ("{name}-{width}x{height}" if sizes > 1 else "{name}")
        self._digits = len(str(images))
        self._numbered = Numbered()

    def name(self, filename: str, number: int, target: str, width: int, height: int) -> str:
        """The name of a result. number: the image's place, from 1; target: its format; width, height: its size."""
        own = re.sub(FORBIDDEN, "_", PurePosixPath(filename).stem).strip(" .")[:_NAME] or "image"
        suffix = SUFFIXES.get(target, target)
        values = {"name": own, "number": f"{number:0{self._digits}}", "width": width, "height": height}
        stem = self._stem.format(**values, format=suffix).strip(" .")[:_STEM]
        return self._numbered.name(stem, f".{suffix}")
