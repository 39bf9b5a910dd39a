"""The image kind: pixels, sizes and formats of every step."""

import struct
from pathlib import Path

import pytest
import pyvips
from PIL import Image, ImageCms

from jobs.core.errors import PermanentError
from tests.unit.contexts import RecordingContext
from tests.unit.images import (
    BLACK,
    BLUE,
    GREEN,
    RED,
    WHITE,
    corners,
    data,
    gradient,
    looks_like,
    made,
    near,
    noise,
    process,
    quarters,
)


@pytest.fixture
def ctx(tmp_path: Path) -> RecordingContext:
    return RecordingContext(tmp_path)


# --- sizes and geometry -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("params", "size"),
    [
        ({"resize": "fit", "width": 40}, (40, 30)),
        ({"resize": "fit", "height": 30}, (40, 30)),
        ({"resize": "fit", "width": 40, "height": 10}, (13, 10)),
        ({"resize": "fit", "width": 400}, (80, 60)),
        ({"resize": "fit", "width": 400, "enlarge": True}, (400, 300)),
        ({"resize": "fill", "width": 30, "height": 30}, (30, 30)),
        ({"resize": "fill", "width": 200, "height": 100}, (200, 100)),
        ({"resize": "exact", "width": 50, "height": 70}, (50, 70)),
        ({"resize": "fit", "width": 30, "rotate": 90}, (30, 40)),
        ({"resize": "exact", "width": 50, "height": 70, "rotate": 270}, (50, 70)),
        ({"resize": "fit", "width": 20, "crop_x": 0, "crop_y": 0, "crop_width": 40, "crop_height": 40}, (20, 20)),
        ({"resize": "fit", "width": 50, "rotate": 45}, (50, 50)),
    ],
)
def test_resize(ctx, params, size):
    result = process(ctx, data(quarters()), **params)
    assert made(ctx, result).size == size
    assert (result["images"][0]["width"], result["images"][0]["height"]) == size


def test_fit_says_when_it_did_not_enlarge(ctx):
    assert "not enlarged" in process(ctx, data(quarters()), resize="fit", width=400)["images"][0]["notes"][0]


def test_crop(ctx):
    image = made(ctx, process(ctx, data(quarters()), crop_x=40, crop_y=0, crop_width=40, crop_height=30))
    assert image.size == (40, 30)
    assert looks_like(image, GREEN, GREEN, GREEN, GREEN)


def test_crop_outside_of_the_image(ctx):
    with pytest.raises(PermanentError, match=r"photo\.png: The crop of 40 × 40 at 60, 0 .* 80 × 60"):
        process(ctx, data(quarters()), crop_x=60, crop_y=0, crop_width=40, crop_height=40)


@pytest.mark.parametrize("size", [{}, {"resize": "fit", "width": 40}])
@pytest.mark.parametrize(
    ("params", "colours"),
    [
        ({"rotate": 90}, (BLUE, RED, WHITE, GREEN)),
        ({"rotate": 180}, (WHITE, BLUE, GREEN, RED)),
        ({"rotate": -90}, (GREEN, WHITE, RED, BLUE)),
        ({"flip": "horizontal"}, (GREEN, RED, WHITE, BLUE)),
        ({"flip": "vertical"}, (BLUE, WHITE, RED, GREEN)),
        ({"flip": "both"}, (WHITE, BLUE, GREEN, RED)),
        ({"rotate": 90, "flip": "horizontal"}, (RED, BLUE, GREEN, WHITE)),
    ],
)
def test_rotate_and_flip(ctx, params, colours, size):
    assert looks_like(made(ctx, process(ctx, data(quarters()), **params, **size)), *colours)


def test_rotate_by_any_angle(ctx):
    clear = made(ctx, process(ctx, data(quarters(80, 80)), rotate=45))
    assert clear.size[0] in range(112, 116)
    assert clear.mode == "RGBA"
    assert clear.getpixel((2, 2))[3] == 0
    white = made(ctx, process(ctx, data(quarters(80, 80)), rotate=45, format="jpeg"))
    assert near(white.getpixel((2, 2)), WHITE)
    top = white.getpixel((white.width // 2, white.height // 4))
    assert near(top, RED, 12)  # clockwise: the top left corner comes to the top


# --- filters ----------------------------------------------------------------------------------------


def test_grayscale(ctx):
    image = made(ctx, process(ctx, data(quarters()), grayscale=True))
    assert image.mode == "L"
    red, _, blue, white = (pixel[0] for pixel in corners(image))
    assert white == 255
    assert blue < 120
    assert red < 140


def test_blur_softens_and_sharpen_hardens_an_edge(ctx):
    edge = Image.new("L", (60, 60), 80)
    edge.paste(160, (30, 0, 60, 60))

    def step(image: Image.Image) -> int:
        gray = image.convert("L")
        return gray.getpixel((30, 30)) - gray.getpixel((29, 30))

    assert step(made(ctx, process(ctx, data(edge), blur=4))) < 30
    assert step(made(ctx, process(ctx, data(edge), sharpen=5))) > 90


def test_blur_does_not_bleed_hidden_colours(ctx):
    image = Image.new("RGBA", (60, 60), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 30, 60))
    pixel = made(ctx, process(ctx, data(image), blur=3)).getpixel((30, 30))
    assert pixel[2] > 200
    assert pixel[0] < 30
    assert 0 < pixel[3] < 255


@pytest.mark.parametrize("position", ["top-left", "middle-center", "bottom-right"])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "LA"])
def test_watermark_is_where_it_should_be(ctx, position, mode):
    gray = Image.new("RGB", (300, 240), (120, 120, 120)).convert(mode)
    image = made(ctx, process(ctx, data(gray), watermark="&<", watermark_position=position)).convert("L")
    cells = {}
    for row, down in enumerate(("top", "middle", "bottom")):
        for column, across in enumerate(("left", "center", "right")):
            cell = image.crop((column * 100, row * 80, column * 100 + 100, row * 80 + 80))
            cells[f"{down}-{across}"] = sum(cell.histogram()[220:])
    assert max(cells, key=cells.get) == position
    assert cells[position] > 100


def test_watermark_opacity_and_width(ctx):
    black = data(Image.new("RGB", (200, 100), BLACK))

    def brightest(image: Image.Image) -> int:
        return image.convert("L").getextrema()[1]

    assert brightest(made(ctx, process(ctx, black, watermark="HHH", watermark_opacity=100))) > 240
    assert 100 < brightest(made(ctx, process(ctx, black, watermark="HHH", watermark_opacity=50))) < 150
    long = made(ctx, process(ctx, black, watermark="W" * 200, watermark_position="middle-center")).convert("L")
    assert long.crop((0, 0, 2, 100)).getextrema()[1] == 0  # shrunk to fit, not cut


def test_steps_together_in_progress_and_result(ctx):
    result = process(
        ctx, {"a.jpg": data(noise(400, 300), "JPEG")}, resize="fill", width=100, height=100, rotate=90, flip="vertical",
        grayscale=True, sharpen=2, watermark="hello", strip=True, format="webp", quality=70,
    )  # fmt: skip
    image = result["images"][0]
    assert (image["width"], image["height"], image["format"], image["name"]) == (100, 100, "webp", "a.webp")
    assert image["bytes"] == ctx.saved["a.webp"].stat().st_size
    assert result["zip"] is None
    done = [current for current, _, _ in ctx.reports]
    assert done == sorted(done)
    assert done[-1] == ctx.reports[-1][1]
    steps = [step for _, _, step in ctx.reports]
    for name in ("read", "rotate", "flip", "resize", "grayscale", "sharpen", "watermark", "write WebP"):
        assert f"a.jpg: {name}" in steps


# --- formats, colours, metadata ---------------------------------------------------------------------


@pytest.mark.parametrize("target", ["jpeg", "png", "webp", "avif"])
@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF"])
def test_every_format_becomes_every_other(ctx, source, target):
    result = process(ctx, {f"in.{source.lower()}": data(quarters(), source)}, format=target)
    image = made(ctx, result)
    assert image.format == target.upper()
    assert looks_like(image, RED, GREEN, BLUE, WHITE, tolerance=16)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "TIFF"])
def test_keep_keeps_the_format(ctx, kind):
    result = process(ctx, {"in.png": data(quarters(), kind)}, flip="horizontal")
    assert made(ctx, result).format == kind
    assert result["images"][0]["format"] == kind.lower()


def test_quality_makes_files_smaller(ctx):
    photo = {"a.jpg": data(noise(200, 200).resize((600, 600)), "JPEG", quality=95)}
    for target in ("jpeg", "webp", "avif"):
        sizes = [process(ctx, photo, format=target, quality=quality)["images"][0]["bytes"] for quality in (20, 90)]
        assert sizes[0] * 1.5 < sizes[1], target


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("params", [{}, {"resize": "exact", "width": 40, "height": 30}])
def test_exif_orientation_is_applied_and_removed(ctx, orientation, params):
    turns = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    stored = quarters(160, 120) if orientation == 1 else quarters(160, 120).transpose(turns[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    result = process(ctx, {"a.jpg": data(stored, "JPEG", exif=exif, quality=95)}, format="png", **params)
    image = made(ctx, result)
    assert image.size == ((40, 30) if params else (160, 120))
    assert looks_like(image, RED, GREEN, BLUE, WHITE, tolerance=12)
    assert image.getexif().get(0x0112, 1) == 1


def test_metadata_kept_or_stripped(ctx):
    exif = Image.Exif()
    exif[0x010F] = "Camera maker"
    photo = {"a.jpg": data(quarters(), "JPEG", exif=exif)}
    assert made(ctx, process(ctx, photo, format="webp")).getexif()[0x010F].startswith("Camera maker")
    assert not made(ctx, process(ctx, photo, format="webp", strip=True)).getexif()


def swapped_profile() -> bytes:
    """An RGB profile that is not sRGB: its red and blue primaries are exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = {}
    for index in range(struct.unpack(">I", profile[128:132])[0]):
        at = 132 + 12 * index
        tags[bytes(profile[at : at + 4])] = at
    red, blue = tags[b"rXYZ"], tags[b"bXYZ"]
    profile[red : red + 4], profile[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(profile)


def test_a_colour_profile_is_converted_or_kept(ctx):
    photo = {"a.png": data(Image.new("RGB", (20, 20), (255, 0, 0)), icc_profile=swapped_profile())}
    converted = made(ctx, process(ctx, photo, format="png", strip=True))
    assert near(converted.getpixel((5, 5)), (0, 0, 255), 12)
    assert "icc_profile" not in converted.info
    kept = made(ctx, process(ctx, photo, format="webp", profile="keep", strip=True, quality=100))
    assert near(kept.convert("RGB").getpixel((5, 5)), (255, 0, 0), 12)
    assert kept.info["icc_profile"] == swapped_profile()


def test_a_broken_profile_is_left_out(ctx):
    result = process(ctx, data(quarters(), icc_profile=b"no profile at all" * 20), format="webp")
    assert looks_like(made(ctx, result), RED, GREEN, BLUE, WHITE, tolerance=16)


@pytest.mark.parametrize("params", [{}, {"resize": "fit", "width": 40}, {"profile": "keep"}])
def test_cmyk_becomes_srgb(ctx, params):
    cyan = Image.new("CMYK", (80, 60), (255, 0, 0, 0))
    image = made(ctx, process(ctx, {"a.jpg": data(cyan, "JPEG")}, format="png", **params))
    red, green, blue = image.convert("RGB").getpixel((10, 10))
    assert red < 80
    assert green > 120
    assert blue > 180


def test_16_bits_are_kept_for_png_and_scaled_for_others(ctx):
    deep = Image.new("I;16", (40, 30), 0x8000)
    assert made(ctx, process(ctx, data(deep), flip="vertical")).mode == "I;16"
    marked = made(ctx, process(ctx, data(deep), watermark="x", watermark_position="top-left"))
    assert marked.getextrema()[1] > 60_000
    for params in ({}, {"profile": "keep"}, {"resize": "fit", "width": 20}):
        pixel = made(ctx, process(ctx, data(deep), format="jpeg", **params)).convert("L").getpixel((10, 10))
        assert abs(pixel - 128) < 5


@pytest.mark.parametrize("target", ["png", "tiff"])
@pytest.mark.parametrize(
    "params",
    [
        {"resize": "fit", "width": 160},
        {"resize": "fit", "width": 300, "height": 300},
        {"resize": "fit", "width": 300, "enlarge": True},
        {"resize": "fit", "height": 120, "rotate": 180, "flip": "vertical"},
        {"resize": "fit", "width": 120, "rotate": 90},
        {"resize": "fill", "width": 100, "height": 150},
        {"resize": "fill", "width": 300, "height": 101},
        {"resize": "exact", "width": 200, "height": 170},
        {"resize": "fit", "width": 150, "crop_x": 9, "crop_y": 9, "crop_width": 200, "crop_height": 99},
        {"resize": "fit", "sizes": "180, 150"},
    ],
)
def test_16_bits_are_kept_where_the_size_changes(ctx, params, target):
    spaces = [(1, "grey16"), (2, "grey16"), (3, "rgb16"), (4, "rgb16")]
    deep = {f"{n}.png": gradient(n, "ushort", space, ".png", 65535) for n, space in spaces}
    flat = {f"{n} flat.png": gradient(n, "uchar", space.replace("grey16", "b-w").replace("rgb16", "srgb"), ".png", 255)
            for n, space in spaces}  # fmt: skip
    images = process(ctx, deep, format=target, **params)["images"]
    assert [(i["width"], i["height"]) for i in images] == [
        (i["width"], i["height"]) for i in process(ctx, flat, format=target, **params)["images"]
    ]
    for image in images:
        made = pyvips.Image.new_from_file(str(ctx.saved[image["name"]]))
        assert (made.format, made.bands) == ("ushort", int(image["input"][0]))
        assert made[0].max() > 40_000
        for grid in (256, 257):  # as 8 bits are made 16
            assert (made[0] % grid == 0).avg() < 25, "more than a tenth of the values have 8 bits"


def test_16_bits_keep_hidden_colours_hidden_where_the_size_changes(ctx):
    black = pyvips.Image.black(60, 60).cast("ushort").copy(interpretation="rgb16")
    red, blue = black.new_from_image([65535, 0, 0, 0]), black.new_from_image([0, 0, 65535, 65535])
    content = red.insert(blue.crop(0, 0, 30, 60), 0, 0).write_to_buffer(".png")
    result = process(ctx, content, resize="exact", width=21, height=20)
    red, _, blue, alpha = pyvips.Image.new_from_file(str(ctx.saved[result["images"][0]["name"]]))(10, 10)
    assert red < 2000 and blue > 60_000 and 20_000 < alpha < 45_000


@pytest.mark.parametrize("params", [{}, {"resize": "fit", "width": 120}, {"profile": "keep"}])
def test_floating_point_colours_from_0_to_1_are_shown_as_they_are(ctx, params):
    image = made(ctx, process(ctx, {"a.tif": gradient(3, "float", "scrgb")}, format="jpeg", **params))
    levels = [image.getpixel((image.width * share // 100, 50))[0] for share in (5, 22, 50, 99)]
    assert near(levels, (63, 128, 188, 254), 5)  # light as it is measured, made brighter for the eye


def test_transparent_becomes_white_in_jpeg_and_stays_in_webp(ctx):
    image = Image.new("RGBA", (40, 40), (255, 0, 0, 0))
    image.paste((0, 0, 255, 255), (0, 0, 20, 40))
    result = process(ctx, data(image), format="jpeg")
    assert near(made(ctx, result).getpixel((30, 20)), WHITE, 3)
    assert result["images"][0]["notes"] == ["Transparent parts became white."]
    assert made(ctx, process(ctx, data(image), format="webp")).getpixel((30, 20))[3] == 0


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "TIFF"])
def test_the_first_frame_is_used_and_told(ctx, kind):
    frames = [Image.new("RGB", (30, 20), colour) for colour in (RED, GREEN, BLUE)]
    moving = data(frames[0], kind, save_all=True, append_images=frames[1:])
    for params in ({}, {"resize": "fit", "width": 15}):
        result = process(ctx, {"a.gif": moving}, format="png", **params)
        assert result["images"][0]["notes"] == ["Only the first of 3 frames was used."]
        assert near(made(ctx, result).convert("RGB").getpixel((5, 5)), RED, 16)
        assert result["images"][0]["height"] in (20, 10)


def test_12_megapixels_to_1024_webp(ctx):
    photo = data(noise(1000, 750).resize((4000, 3000)), "JPEG", quality=85)
    result = process(ctx, {"photo.jpg": photo}, resize="fit", width=1024, format="webp")
    assert made(ctx, result).size == (1024, 768)
    assert made(ctx, result).format == "WEBP"
