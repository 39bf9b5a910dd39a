"""Images made for tests of the image kind, and what to ask of its results."""

import io
import random
import struct
import unicodedata
import zipfile
import zlib

from PIL import Image

from jobs.kinds.image import ProcessImage
from tests.unit.contexts import RecordingContext

RED, GREEN, BLUE, WHITE, BLACK = (220, 30, 30), (30, 180, 60), (30, 60, 220), (255, 255, 255), (0, 0, 0)


def quarters(width: int = 80, height: int = 60, mode: str = "RGB") -> Image.Image:
    """Red top left, green top right, blue bottom left, white bottom right."""
    image = Image.new("RGB", (width, height), WHITE)
    image.paste(RED, (0, 0, width // 2, height // 2))
    image.paste(GREEN, (width // 2, 0, width, height // 2))
    image.paste(BLUE, (0, height // 2, width // 2, height))
    return image.convert(mode)


def noise(width: int, height: int, seed: int = 1) -> Image.Image:
    return Image.frombytes("RGB", (width, height), random.Random(seed).randbytes(width * height * 3))


def data(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def gradient(bands: int, depth: str, space: str, kind: str = ".tif", brightest: float = 1.0) -> bytes:
    """From black at the left to the brightest value at the right, in a format and colour space of libvips."""
    import pyvips

    ramp = pyvips.Image.xyz(240, 180)[0] * (brightest / 239)
    image = ramp.bandjoin([ramp] * (bands - 1)) if bands > 1 else ramp
    return image.cast(depth).copy(interpretation=space).write_to_buffer(kind)


def packed(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def packed_by_finder(members: dict[str, bytes]) -> bytes:
    """As macOS packs: names in UTF-8, with accents apart from their letters, and without the flag that says so."""
    names = [unicodedata.normalize("NFD", name).encode() for name in members]
    stand_ins = [chr(ord("a") + at) * len(name) for at, name in enumerate(names)]
    content = packed(dict(zip(stand_ins, members.values(), strict=True)))
    for stand_in, name in zip(stand_ins, names, strict=True):
        content = content.replace(stand_in.encode(), name)
    return content


def process(ctx: RecordingContext, files: dict[str, bytes] | bytes, **params) -> dict:
    """Run the kind on files by name, with what the form would have made of the parameters."""
    files = files if isinstance(files, dict) else {"photo.png": files}
    defaults = {"format": "keep", "profile": "srgb", "watermark_position": "bottom-right"}
    defaults |= {"watermark_opacity": 100, "watermark_size": 20}
    refs = [ctx.upload(name, content) for name, content in files.items()]
    return ProcessImage().run({**defaults, **params, "images": refs}, ctx)


def made(ctx: RecordingContext, result: dict, index: int = 0) -> Image.Image:
    return Image.open(ctx.saved[result["images"][index]["name"]])


def near(pixel, expected, tolerance: int = 6) -> bool:
    return all(abs(a - b) <= tolerance for a, b in zip(pixel, expected, strict=True))


def corners(image: Image.Image) -> list:
    """The colours well inside the four quarters: top left, top right, bottom left, bottom right."""
    width, height = image.size
    rgb = image.convert("RGB")
    return [rgb.getpixel((width * x // 4, height * y // 4)) for y in (1, 3) for x in (1, 3)]


def looks_like(image: Image.Image, *colours, tolerance: int = 6) -> bool:
    return all(near(pixel, colour, tolerance) for pixel, colour in zip(corners(image), colours, strict=True))


def bomb(width: int, height: int) -> bytes:
    """A PNG that claims a size, with no pixels behind it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
