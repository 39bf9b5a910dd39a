"""The image kind: damaged, mislabelled, forged and huge inputs; zips; cancelling."""

import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from jobs.core.errors import Cancelled, PermanentError
from tests.unit.contexts import RecordingContext
from tests.unit.images import (
    GREEN,
    RED,
    bomb,
    data,
    gradient,
    made,
    near,
    noise,
    packed,
    packed_by_finder,
    process,
    quarters,
)


@pytest.fixture
def ctx(tmp_path: Path) -> RecordingContext:
    return RecordingContext(tmp_path)


# --- what is not an image, or wants to do harm ------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF"])
@pytest.mark.parametrize("params", [{}, {"resize": "fit", "width": 40}, {"rotate": 90}])
def test_truncated(ctx, kind, params):
    whole = data(noise(200, 150), kind)
    with pytest.raises(PermanentError, match=r"half\.jpg: It is damaged or cut short") as told:
        process(ctx, {"half.jpg": whole[: len(whole) // 2]}, format="png", **params)
    assert str(ctx.folder) not in str(told.value)
    assert not ctx.saved


def test_mislabelled_is_taken_as_what_it_is(ctx):
    result = process(ctx, {"photo.jpg": data(quarters(), "PNG")}, flip="both")
    assert result["images"][0]["name"] == "photo.png"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"MZ\x90\0" + bytes(100), "a Windows program"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
        (b"%PDF-1.7", "a PDF document"),
        (b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf", "HEIC"),
        (b"just words", "none of JPEG"),
        (b"", "is empty"),
    ],
)
def test_not_an_image(ctx, content, said):
    with pytest.raises(PermanentError, match=rf"setup\.jpg: It is .*{said}|setup\.jpg: It {said}"):
        process(ctx, {"setup.jpg": content}, format="webp")


def test_a_decompression_bomb_is_refused_from_its_header(ctx):
    with pytest.raises(PermanentError, match=r"photo\.png: It has 50,000 × 50,000 = 2,500 megapixels: at most 100"):
        process(ctx, bomb(50_000, 50_000), resize="fit", width=10)


def test_enlarging_beyond_the_limit_is_refused(ctx):
    with pytest.raises(PermanentError, match="The result would have"):
        process(ctx, data(quarters(10, 1000)), resize="fit", width=16_000, enlarge=True)


def test_a_side_too_long_for_webp(ctx):
    with pytest.raises(PermanentError, match="WebP holds at most 16,383 pixels a side"):
        process(ctx, data(Image.new("L", (17_000, 2))), format="webp")


def test_too_many_pixels_for_avif(ctx):
    with pytest.raises(PermanentError, match="would have 49 megapixels: AVIF is made of at most 40"):
        process(ctx, data(Image.new("L", (7000, 7000))), format="avif")


@pytest.mark.parametrize(
    "params", [{}, {"rotate": 45}, {"rotate": 90, "resize": "fit", "width": 40}, {"resize": "fit", "sizes": "20, 40"}]
)
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (gradient(5, "uchar", "srgb", brightest=255), "Its 5 channels are not those of a picture"),
        (gradient(6, "uchar", "cmyk", brightest=255), "Its 6 channels are not those of a picture"),
        (gradient(1, "float", "b-w"), "It does not say which of its values are black and white"),
        (gradient(1, "uint", "b-w", brightest=1e9), "It does not say which of its values are black and white"),
        (gradient(3, "float", "scrgb", brightest=255), "Most of it is brighter than white"),
    ],
)
def test_what_is_no_picture_is_refused_in_words(ctx, content, said, params):
    for target in ("jpeg", "png", "tiff"):
        with pytest.raises(PermanentError, match=rf"^scan\.tif: {said}"):
            process(ctx, {"scan.tif": content}, format=target, **params)


def test_cmyk_with_transparency_is_a_picture(ctx):
    assert made(ctx, process(ctx, {"a.tif": gradient(5, "uchar", "cmyk", brightest=200)}, format="png")).mode == "RGBA"


def test_a_large_image_turned_and_made_smaller(ctx):
    result = process(ctx, data(Image.new("L", (6000, 6000))), rotate=45, resize="fit", width=300)
    assert result["images"][0]["width"] == 300


def test_a_damaged_file_among_many_fails_alone(ctx):
    good = data(quarters())
    result = process(ctx, {"a.png": good, "b.png": good[:100], "c.exe.png": b"MZ", "d.png": good}, format="webp")
    assert [image["input"] for image in result["images"]] == ["a.png", "d.png"]
    assert [error["input"] for error in result["errors"]] == ["b.png", "c.exe.png"]
    assert result["summary"].startswith("2 images, ")
    assert result["summary"].endswith("; 2 could not be processed")
    with zipfile.ZipFile(ctx.saved["images.zip"]) as archive:
        assert archive.namelist() == ["a.webp", "d.webp"]
        assert archive.read("a.webp") == ctx.saved["a.webp"].read_bytes()


def test_all_damaged_names_each(ctx):
    with pytest.raises(PermanentError, match=r"a\.png: .* b\.png: "):
        process(ctx, {"a.png": b"MZ", "b.png": b""}, format="webp")


def test_cancelled_while_writing(tmp_path):
    photo = data(noise(3000, 2000), "JPEG")
    counting = RecordingContext(tmp_path / "counted")
    process(counting, {"a.jpg": photo}, format="png")
    writing = next(at for at, report in enumerate(counting.reports) if "write" in report[2])
    ctx = RecordingContext(tmp_path / "cancelled", cancel_at=writing + 1)
    (tmp_path / "cancelled").mkdir(exist_ok=True)
    with pytest.raises(Cancelled):
        process(ctx, {"a.jpg": photo}, format="png")
    assert not ctx.saved


# --- zips -------------------------------------------------------------------------------------------


def test_a_zip_with_folders_clutter_and_names_that_collide(ctx):
    red, green = data(Image.new("RGB", (20, 20), RED)), data(Image.new("RGB", (20, 20), GREEN))
    content = packed(
        {
            "one/a.jpg": red,
            "two/A.jpg": green,
            "__MACOSX/one/._a.jpg": b"junk",
            "one/.DS_Store": b"junk",
            "x.txt": b"hi",
        }
    )
    result = process(ctx, {"trip.zip": content}, format="webp")
    assert [(image["input"], image["name"]) for image in result["images"]] == [
        ("trip.zip: one/a.jpg", "a.webp"),
        ("trip.zip: two/A.jpg", "A-2.webp"),
    ]
    assert near(made(ctx, result, 1).getpixel((5, 5)), GREEN, 12)
    assert [error["input"] for error in result["errors"]] == ["trip.zip: x.txt"]
    assert sorted(ctx.saved) == ["A-2.webp", "a.webp", "images.zip"]


def test_a_zip_that_macos_packed(ctx):
    result = process(ctx, {"trip.zip": packed_by_finder({"Süd/für.png": data(quarters())})}, format="webp")
    assert [(image["input"], image["name"]) for image in result["images"]] == [("trip.zip: Süd/für.png", "für.webp")]


def test_the_same_name_twice_in_a_zip(ctx):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a.png", data(Image.new("RGB", (20, 20), RED)))
        archive.writestr("a.png", data(Image.new("RGB", (20, 20), GREEN)))
    result = process(ctx, {"twice.zip": file.getvalue()}, format="png")
    assert near(made(ctx, result, 0).getpixel((5, 5)), RED)
    assert near(made(ctx, result, 1).getpixel((5, 5)), GREEN)


def encrypted() -> bytes:
    """A zip whose member says that it is encrypted."""
    content = bytearray(packed({"a.png": data(quarters())}))
    for magic, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(magic) + offset] |= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lambda: packed({"../../etc/a.png": data(quarters())}), "points outside of the zip"),
        (lambda: packed({"/etc/a.png": data(quarters())}), "points outside of the zip"),
        (lambda: packed({"..\\a.png": data(quarters())}), "points outside of the zip"),
        (encrypted, "'a.png' is encrypted: zip it without a password"),
        (lambda: packed({"a.png": bytes(30 * 1024**2)}), "times is taken"),
        (lambda: packed({f"{n}.png": b"" for n in range(1001)}), "holds 1,001 files: at most 1,000"),
        (lambda: packed({f"{n:0200}.png": b"" for n in range(6000)}), "list of files is too long"),
        (lambda: packed({"__MACOSX/a.png": b"x"}), "no file in this zip"),
        (lambda: packed({"b.zip": packed({"a.png": data(quarters())})}), "zip inside a zip"),
        (lambda: packed({"a.png": data(noise(99, 99))})[:-60], "The zip is damaged or cut short"),
        (lambda: packed({"a.png": data(noise(99, 99))}, zipfile.ZIP_STORED).replace(b"IDAT", b"IDOT"), "Bad CRC-32"),
    ],
)
def test_zips_that_are_refused(ctx, content, said):
    with pytest.raises(PermanentError, match=rf"^bad\.zip: .*{said}"):
        process(ctx, {"bad.zip": content()}, format="webp")
    assert not ctx.saved


def test_a_bad_zip_among_good_files(ctx):
    result = process(ctx, {"bad.zip": b"PK\x03\x04 nothing", "a.png": data(quarters())}, format="webp")
    assert [image["input"] for image in result["images"]] == ["a.png"]
    assert [error["input"] for error in result["errors"]] == ["bad.zip"]


def test_a_long_result_is_cut_and_kept_whole_as_a_file(ctx):
    tiny = data(Image.new("L", (2, 2)))
    result = process(ctx, {"many.zip": packed({f"{n:0150}.png": tiny for n in range(150)})}, flip="horizontal")
    assert len(result["images"]) == 50
    assert result["summary"].startswith("150 images")
    assert b'"errors": []' in ctx.saved["result.json"].read_bytes()
