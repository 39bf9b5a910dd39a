"""What a file is and how large its picture is, from its first bytes alone: names and suffixes are not believed.

Pure Python, so that forms can use it in the web process.
"""

import struct

#: Bytes from the start of a file that `recognise` and `dimensions` want to see.
HEAD = 64 * 1024

#: What people are told, by the names that `recognise` answers.
LABELS = {
    "jpeg": "JPEG",
    "png": "PNG",
    "webp": "WebP",
    "avif": "AVIF",
    "gif": "GIF",
    "tiff": "TIFF",
    "heic": "HEIC",
    "zip": "zip",
}
READABLE = ("jpeg", "png", "webp", "avif", "gif", "tiff")

_MAGIC = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
)
_OTHERS = (
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a Linux program"),
    (b"%PDF", "a PDF document"),
    (b"BM", "a BMP image"),
    (b"8BPS", "a Photoshop file"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "XML"),
    (b"<!DOCTYPE", "HTML"),
    (b"<html", "HTML"),
)


def recognise(head: bytes) -> str:
    """The format that the first bytes show: a key of LABELS, or "" for anything else."""
    for magic, name in _MAGIC:
        if head.startswith(magic):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        return _heif(head)
    return ""


def _heif(head: bytes) -> str:
    """AVIF and HEIC share a container; its brands tell them apart. Other brands (films) are ""."""
    length = min(struct.unpack(">I", head[:4])[0], 256)
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, length, 4))}
    if brands & {b"avif", b"avis"}:
        return "avif"
    return "heic" if brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1"} else ""


def problem(head: bytes, *, zips: bool = True) -> str:
    """Why a file cannot be processed, as the rest of a sentence after its name; "" where it can."""
    found = recognise(head)
    if found in READABLE or (zips and found == "zip"):
        return ""
    if not head:
        return "is empty."
    if found == "heic":
        return "is a HEIC image, which cannot be read here: save it as JPEG first."
    if found == "zip":
        return "is a zip inside a zip: put the images themselves into one zip."
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for magic, what in _OTHERS:
        if start[: len(magic)].lower() == magic.lower():
            return f"is not an image that can be read: by its content it is {what}."
    return f"is not an image that can be read: its content is none of {', '.join(LABELS[f] for f in READABLE)}."


def dimensions(head: bytes) -> tuple[int, int] | None:
    """Width and height [px] as stored (before EXIF rotation), None where the first bytes do not tell."""
    readers = {"png": _png_size, "gif": _gif_size, "webp": _webp_size, "jpeg": _jpeg_size}
    reader = readers.get(recognise(head))
    try:
        return reader(head) if reader else None
    except (struct.error, IndexError):
        return None


def _png_size(head: bytes) -> tuple[int, int] | None:
    width, height = struct.unpack(">II", head[16:24])
    return width, height


def _gif_size(head: bytes) -> tuple[int, int] | None:
    width, height = struct.unpack("<HH", head[6:10])
    return width, height


def _webp_size(head: bytes) -> tuple[int, int] | None:
    match head[12:16]:
        case b"VP8X":
            return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
        case b"VP8L":
            bits = int.from_bytes(head[21:25], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            width, height = struct.unpack("<HH", head[26:30])
            return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    """Steps over the segments to the frame header (SOF0 to SOF15, without DHT, JPG and DAC among them)."""
    at = 2
    while at + 9 <= len(head):
        if head[at] != 0xFF:
            return None
        marker = head[at + 1]
        if marker == 0xFF:
            at += 1
        elif 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", head[at + 5 : at + 9])
            return width, height
        else:
            at += 2 + struct.unpack(">H", head[at + 2 : at + 4])[0]
    return None
