"""The sizes that each image of a job is made in."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from django import forms

MAX_SIDE = 16_000  # [px]
MAX_SIZES = 8

_WRITTEN = re.compile(r"(\d{1,9})?(?:\s*[x×]\s*(\d{1,9}))?", re.IGNORECASE)


class Size(NamedTuple):
    """Width and height [px]; None where a side follows from the other, or from the image."""

    width: int | None = None
    height: int | None = None

    def __str__(self) -> str:
        """As `parse` reads it: "1024", "640x480", "x480"."""
        return f"{self.width or ''}{f'x{self.height}' if self.height else ''}"

    @property
    def words(self) -> str:
        """As people are told: "1024 px", "640 × 480 px", "480 px high"."""
        if self.width and self.height:
            return f"{self.width} × {self.height} px"
        if self.height:
            return f"{self.height} px high"
        return f"{self.width} px" if self.width else ""


def parse(text: str) -> list[Size]:
    """Sizes with commas between. Raises ValidationError, naming the one that is none."""
    sizes: list[Size] = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        size = _one(part)
        if size in sizes:
            raise forms.ValidationError(f"{part} is there twice.")
        sizes.append(size)
    if len(sizes) > MAX_SIZES:
        raise forms.ValidationError(f"{len(sizes)} sizes: at most {MAX_SIZES} are made in one go.")
    return sizes


def _one(part: str) -> Size:
    written = _WRITTEN.fullmatch(part)
    if not written:
        raise forms.ValidationError(f"“{part[:40]}” is no size: write 640, 640x480 or x480, with commas between sizes.")
    sides = [int(side) if side else None for side in written.groups()]
    if any(side is not None and not 1 <= side <= MAX_SIDE for side in sides):
        raise forms.ValidationError(f"{part}: a side has from 1 to {MAX_SIDE:,} pixels.")
    return Size(*sides)


def sizes_of(params: Mapping[str, Any]) -> list[Size]:
    """What the checked parameters ask for: one size (which may leave both sides open), or several."""
    return parse(params.get("sizes") or "") or [Size(params.get("width"), params.get("height"))]


class _SizesInput(forms.TextInput):
    """Takes several values, as a program's list gives them, beside one text."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> str:
        return ", ".join(data.getlist(name) if hasattr(data, "getlist") else [data.get(name) or ""])


class SizesField(forms.CharField):
    """Sizes as text, "320, 640x480", or as a list in JSON. Cleans to text that `parse` reads."""

    widget = _SizesInput
    json_schema = {
        "type": ["string", "array"],
        "items": {"type": ["integer", "string"]},
        "maxItems": MAX_SIZES,
    }

    def clean(self, value: Any) -> str:
        return ", ".join(map(str, parse(super().clean(value))))
