"""Photos that say which way is up: a viewer shows the result as it shows that of the same job on an upright copy; for
every orientation, in every format, with whatever is asked for."""

import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageOps, ImageStat

from tests.unit.contexts import RecordingContext
from tests.unit.images import data, process, quarters

CASES_FOLDER = Path(__file__).parent.parent / "cases"

#: What is done to an upright picture so that a viewer, told the number, turns it back.
TURNED = {
    1: [], 2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180], 4: [Image.Transpose.FLIP_TOP_BOTTOM],
    5: [Image.Transpose.TRANSPOSE], 6: [Image.Transpose.ROTATE_90], 7: [Image.Transpose.TRANSVERSE],
    8: [Image.Transpose.ROTATE_270],
}  # fmt: skip
FORMATS = {
    "JPEG": {"quality": 95, "subsampling": 0}, "PNG": {}, "WEBP": {"lossless": True}, "TIFF": {},
    "AVIF": {"quality": 95},
}  # fmt: skip
ASKED = {
    "nothing": {},
    "several sizes far smaller": {"resize": "fit", "sizes": "100,50"},
    "several sizes": {"resize": "fit", "sizes": "400,100"},
    "a size": {"resize": "fit", "width": 100},
    "exactly": {"resize": "exact", "width": 90, "height": 70},
    "filled": {"resize": "fill", "width": 90, "height": 90},
    "turned": {"rotate": 90},
    "turned with a size": {"rotate": 270, "resize": "fit", "width": 100},
    "slanted": {"rotate": 7},
    "slanted with sizes": {"rotate": 7, "resize": "fit", "sizes": "200,60"},
    "mirrored with a size": {"flip": "vertical", "resize": "fit", "width": 120},
    "mirrored both ways with sizes": {"flip": "both", "resize": "fit", "sizes": "150,50"},
    "cropped, turned, shrunk": {
        "crop_x": 10, "crop_y": 20, "crop_width": 200, "crop_height": 150, "rotate": 90, "resize": "fit", "width": 60,
    },
    "blurred and stripped": {"blur": 1, "strip": True, "resize": "fit", "width": 80},
    "marked": {"watermark": "©", "watermark_position": "bottom-right"},
    "deep turned": {"rotate": 180, "grayscale": True},
}  # fmt: skip


def photo(kind: str, orientation: int, upright: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = upright
    for way in TURNED[orientation]:
        turned = turned.transpose(way)
    return data(turned, kind, exif=exif, **FORMATS[kind])


def shown(content: bytes) -> Image.Image:
    """As a viewer shows it."""
    with Image.open(io.BytesIO(content)) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def made(tmp_path, content: bytes, kind: str, params: dict) -> dict[str, Image.Image]:
    ctx = RecordingContext(tmp_path)
    process(ctx, {f"photo.{kind.lower()}": content}, **params)
    found = {}
    for name, path in ctx.saved.items():
        if zipfile.is_zipfile(path):  # several sizes
            with zipfile.ZipFile(path) as archive:
                found |= {member: shown(archive.read(member)) for member in archive.namelist()}
        else:
            found[name] = shown(path.read_bytes())
    return found


CASES = [("JPEG", number, asked) for number in TURNED for asked in ASKED]
CASES += [(kind, number, asked) for kind in FORMATS if kind != "JPEG" for number in (2, 3, 6, 8)
          for asked in ("nothing", "several sizes far smaller", "turned with a size", "slanted")]  # fmt: skip


@pytest.mark.parametrize(("kind", "orientation", "asked"), CASES)
def test_a_viewer_shows_the_same_as_of_an_upright_copy(tmp_path, kind, orientation, asked):
    upright = quarters(320, 240)
    (tmp_path / "turned").mkdir(), (tmp_path / "upright").mkdir()
    found = made(tmp_path / "turned", photo(kind, orientation, upright), kind, ASKED[asked])
    expected = made(tmp_path / "upright", photo(kind, 1, upright), kind, ASKED[asked])
    assert found.keys() == expected.keys() and expected
    for name, image in found.items():
        assert image.size == expected[name].size, name
        differs = ImageStat.Stat(ImageChops.difference(image, expected[name])).mean
        assert max(differs) < 4, f"{name}: {differs}"


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b"<rdf:Description "
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" %s</rdf:Description></rdf:RDF></x:xmpmeta>'
)


@pytest.mark.parametrize("told", [b'tiff:Orientation="6">', b"><tiff:Orientation>6</tiff:Orientation>"])
@pytest.mark.parametrize("asked", ["nothing", "a size", "several sizes far smaller", "slanted"])
def test_xmp_says_no_other_way_up_than_the_result_is(tmp_path, told, asked):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = quarters(320, 240).transpose(Image.Transpose.ROTATE_90)
    content = data(turned, "JPEG", exif=exif, xmp=XMP % told)
    assert b"Orientation" in content
    ctx = RecordingContext(tmp_path)
    process(ctx, {"photo.jpg": content}, **ASKED[asked])
    for path in ctx.saved.values():
        files = [path.read_bytes()]
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                files = [archive.read(name) for name in archive.namelist()]
        for each in files:
            with Image.open(io.BytesIO(each)) as image:
                assert image.getexif().get(0x0112, 1) == 1
            assert told not in each and told.replace(b"6", b"1") in each


@pytest.mark.parametrize("path", sorted(CASES_FOLDER.glob("i1-*")), ids=lambda path: path.name)
@pytest.mark.parametrize("asked", [*ASKED])
def test_the_cases(tmp_path, path, asked):
    """Pictures of 600 × 400 in four colours that are to be shown turned."""
    upright = Image.open(path)
    upright = ImageOps.exif_transpose(upright).convert("RGB")
    number = Image.open(path).getexif().get(0x0112, 1)
    assert number > 1
    kind = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}[path.suffix[1:]]
    (tmp_path / "turned").mkdir(), (tmp_path / "upright").mkdir()
    found = made(tmp_path / "turned", path.read_bytes(), kind, ASKED[asked])
    expected = made(tmp_path / "upright", photo(kind, 1, upright), kind, ASKED[asked])
    assert {name: image.size for name, image in found.items()} == {n: image.size for n, image in expected.items()}
    for name, image in found.items():
        assert max(ImageStat.Stat(ImageChops.difference(image, expected[name])).mean) < 6, name
    if path.name == "i1-orientation-6.jpg" and asked == "several sizes far smaller":
        assert {image.size for image in found.values()} == {(100, 150), (50, 75)}
