"""Files with several frames of which libvips does not say so: animated PNG, and AVIF sequences, which it refuses."""

import shutil
from pathlib import Path

from jobs.kinds._image.sniff import HEAD, recognise

#: The brand of an AVIF file that is a sequence first; beside the frames it has a picture of its own, as any AVIF.
_SEQUENCE, _PICTURE = b"avis", b"avif"


def frames(head: bytes) -> int:
    """How many frames the beginning of a file tells of [HEAD bytes]; 0 where it is none of these, or tells nothing.

    Of APNG the chunk acTL (https://www.w3.org/TR/png-3/#acTL-chunk), of AVIF the number of samples in the box stsz.
    """
    if recognise(head) == "png":
        at = head.find(b"acTL")
        pixels = head.find(b"IDAT")
        return int.from_bytes(head[at + 4 : at + 8], "big") if 0 <= at < (pixels if pixels >= 0 else len(head)) else 0
    if is_sequence(head):
        at = head.find(b"stsz")
        return int.from_bytes(head[at + 12 : at + 16], "big") if at >= 0 else 0
    return 0


def is_sequence(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and head[8:12] == _SEQUENCE


def head_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def picture_of(path: Path, folder: Path) -> Path:
    """The file as libvips reads it: a copy of a sequence, that says to be a picture."""
    copy = folder / f"picture-{path.name}"
    shutil.copyfile(path, copy)
    with copy.open("r+b") as file:
        file.seek(8)
        file.write(_PICTURE)
    return copy
