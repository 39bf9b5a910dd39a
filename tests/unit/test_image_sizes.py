"""The image kind: several sizes in one go, names by a pattern, and trying the first one."""

import zipfile
from pathlib import Path

import pytest
from PIL import Image

from jobs.core.errors import PermanentError, Refused
from jobs.kinds._image import steps
from jobs.kinds._image.names import Names
from jobs.kinds.image import ProcessImage
from tests.unit.contexts import RecordingContext
from tests.unit.images import BLUE, GREEN, RED, WHITE, data, looks_like, made, near, noise, packed, process, quarters
from tests.unit.test_image_form import validated


@pytest.fixture
def ctx(tmp_path: Path) -> RecordingContext:
    return RecordingContext(tmp_path)


def sizes_made(ctx, result) -> list[tuple[int, int]]:
    return [made(ctx, result, index).size for index in range(len(result["images"]))]


# --- several sizes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_each_image_is_made_in_each_size(ctx, kind):
    photos = {"a.x": data(quarters(800, 600), kind), "b.x": data(quarters(400, 800), kind)}
    result = process(ctx, photos, resize="fit", sizes="100, 320x200, x60", format="png")
    assert sizes_made(ctx, result) == [(100, 75), (267, 200), (80, 60), (100, 200), (100, 200), (30, 60)]
    for index in range(6):
        assert looks_like(made(ctx, result, index), RED, GREEN, BLUE, WHITE, tolerance=12)
    assert [image["input"] for image in result["images"]] == ["a.x"] * 3 + ["b.x"] * 3
    assert result["images"][0]["name"] == "a-100x75.png"
    with zipfile.ZipFile(ctx.saved["images.zip"]) as archive:
        assert sorted(archive.namelist()) == sorted(image["name"] for image in result["images"])


@pytest.mark.parametrize(
    "params",
    [
        {"resize": "fill", "rotate": 90},
        {"resize": "fill", "flip": "vertical", "sharpen": 1},
        {"resize": "exact", "crop_x": 10, "crop_y": 10, "crop_width": 300, "crop_height": 200},
        {"resize": "fit", "rotate": 30, "watermark": "mine"},
        {"resize": "fit", "enlarge": True, "blur": 1, "grayscale": True},
    ],
)
def test_a_size_among_several_looks_as_it_does_alone(ctx, params):
    photo = data(noise(40, 30).resize((800, 600)), "JPEG", quality=95)
    together = process(ctx, photo, sizes="64x48, 400x300", format="png", **params)
    for index, (width, height) in enumerate([(64, 48), (400, 300)]):
        alone = made(ctx, process(ctx, photo, width=width, height=height, format="png", **params))
        one = made(ctx, together, index)
        assert one.size == alone.size
        pairs = zip(one.convert("RGB").tobytes(), alone.convert("RGB").tobytes(), strict=True)
        assert sum(abs(a - b) for a, b in pairs) / (3 * one.width * one.height) < 2


def test_an_image_is_decoded_once_and_no_larger_than_needed(ctx, monkeypatch):
    held = []
    monkeypatch.setattr(steps, "_held", lambda image, hold=steps._held: held.append(image.width) or hold(image))
    photo = {"a.jpg": data(quarters(2000, 1500), "JPEG")}
    process(ctx, photo, resize="fit", sizes="40, 100, 160", format="png")
    assert held == [320]


def test_exif_orientation_and_profile_hold_for_each_size(ctx):
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = data(quarters(160, 120).transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif, quality=95)
    for params in ({"sizes": "80x60, 40x30", "resize": "exact"}, {"sizes": "40, 400", "resize": "fit"}):
        result = process(ctx, {"a.jpg": photo}, format="png", **params)
        for index in range(2):
            assert looks_like(made(ctx, result, index), RED, GREEN, BLUE, WHITE, tolerance=12)


def test_the_smaller_ones_are_not_enlarged_and_told_each(ctx):
    result = process(ctx, data(quarters(80, 60)), resize="fit", sizes="40, 400, 500")
    assert sizes_made(ctx, result) == [(40, 30), (80, 60), (80, 60)]
    assert [len(image["notes"]) for image in result["images"]] == [0, 1, 1]
    assert [image["name"] for image in result["images"]] == ["photo-40x30.png", "photo-80x60.png", "photo-80x60-2.png"]


def test_progress_is_told_for_each_image_and_size(ctx):
    good = data(quarters(), "JPEG")
    process(ctx, {"a.jpg": good, "b.jpg": good}, resize="fit", sizes="40, x20", format="webp")
    done = [current for current, _, _ in ctx.reports]
    assert done == sorted(done) and done[-1] == ctx.reports[-1][1]
    told = [step for _, _, step in ctx.reports]
    for step in ("a.jpg: read", "a.jpg at 40 px: resize", "b.jpg at 20 px high: write WebP"):
        assert step in told


def test_a_damaged_image_is_told_once_and_a_size_that_cannot_be_made_alone(ctx):
    whole = data(noise(200, 150), "JPEG")
    files = {"half.jpg": whole[: len(whole) // 2], "good.jpg": whole}
    result = process(ctx, files, resize="fit", enlarge=True, sizes="20, 16000", format="webp")
    assert [image["name"] for image in result["images"]] == ["good-20x15.webp"]
    assert [error["input"] for error in result["errors"]] == ["half.jpg", "good.jpg at 16000 px"]


def test_too_many_results_are_refused_before_the_work(ctx):
    tiny = data(Image.new("L", (2, 2)))
    with pytest.raises(PermanentError, match=r"2,400 images would become of it: at most 2,000"):
        process(ctx, {"a.zip": packed({f"{n}.png": tiny for n in range(300)})}, resize="fit", sizes="1,2,3,4,5,6,7,8")


@pytest.mark.parametrize(
    ("params", "field", "said"),
    [
        ({"sizes": "320, wide"}, "sizes", "“wide” is no size: write 640, 640x480 or x480"),
        ({"sizes": "320x"}, "sizes", "“320x” is no size"),
        ({"sizes": "0"}, "sizes", "0: a side has from 1 to 16,000 pixels"),
        ({"sizes": "20000"}, "sizes", "20000: a side has from 1 to 16,000 pixels"),
        ({"sizes": "320, 320"}, "sizes", "320 is there twice"),
        ({"sizes": "1,2,3,4,5,6,7,8,9"}, "sizes", "9 sizes: at most 8"),
        ({"sizes": "320", "width": 10}, "sizes", "Give width and height, or several sizes: not both"),
        ({"sizes": "320x200, 40", "resize": "fill"}, "sizes", "as in 640x480: 40 has no height"),
        ({"sizes": "16000x16000", "resize": "exact"}, "sizes", "more than 100 megapixels"),
    ],
)
def test_sizes_that_are_refused(params, field, said):
    with pytest.raises(Refused) as refused:
        validated(params)
    assert said in " ".join(refused.value.errors[field])


@pytest.mark.parametrize("given", ["320,640 X 480 ,x20", [320, "640x480", "x20"], "320, 640×480, x20,"])
def test_sizes_come_as_text_or_as_a_list(given):
    params = validated({"sizes": given})
    assert (params["sizes"], params["resize"]) == ("320, 640x480, x20", "fit")


def test_title_and_preview_name_the_sizes():
    params = validated({"sizes": "320, 640x480", "format": "webp"})
    assert ProcessImage.title({**params, "images": [{"name": "a.jpg"}]}) == "a.jpg to 320 px, 640 × 480 px WebP"
    assert dict(ProcessImage.preview(params))["Steps"] == "fit 320 px, 640 × 480 px"


# --- names ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("{name}-{width}x{height}.{format}", ["Sea view-40x30.jpg", "Sea view-40x30-2.jpg"]),
        ("trip {number}", ["trip 1.jpg", "trip 2.jpg"]),
        ("{{{width}}}", ["{40}.jpg", "{40}-2.jpg"]),
        ("{name}.small.{format}", ["Sea view.small.jpg", "Sea view.small-2.jpg"]),
    ],
)
def test_names_follow_the_pattern_and_are_never_the_same(ctx, pattern, names):
    photo = data(quarters(), "JPEG")
    files = {"trip.zip": packed({"one/Sea view.jpeg": photo, "two/Sea view.JPG": photo})}
    result = process(ctx, files, resize="fit", width=40, names=pattern)
    assert [image["name"] for image in result["images"]] == names
    assert set(names) < set(ctx.saved)


def test_numbers_have_as_many_digits_as_the_last():
    names = Names("{number}", 120, 1)
    assert [names.name("a.png", number, "png", 1, 1) for number in (1, 120)] == ["001.png", "120.png"]


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{colour}", "“{colour}” is no placeholder. There are: {name}, {number}, {width}, {height}, {format}."),
        ("{name.__class__}", "is no placeholder"),
        ("{width:05}", "is no placeholder"),
        ("{}", "is no placeholder"),
        ("{name", "A brace stands alone"),
        ("small/{name}", "“/” separates folders"),
        ("small\\{name}", "separates folders"),
        ("{name}?", "“?” cannot stand in a file's name"),
        (".{format}", "does not start with a dot"),
        ("..{name}", "does not start with a dot"),
    ],
)
def test_patterns_that_are_refused(pattern, said):
    with pytest.raises(Refused) as refused:
        validated({"width": 40, "names": pattern})
    assert said in " ".join(refused.value.errors["names"])


def test_a_pattern_that_gives_all_results_one_name_is_refused():
    photo = data(quarters(), "JPEG")
    with pytest.raises(Refused, match=r"All images would have the same name: add {name} or {number}\."):
        validated({"width": 40, "names": "small"}, photo, photo)
    with pytest.raises(Refused, match=r"All sizes of an image would have the same name: add {width} or {height}\."):
        validated({"sizes": "40, 60", "names": "{name}"})
    assert validated({"width": 40, "names": "small"})["names"] == "small"


def test_the_placeholders_stand_beside_the_input():
    text = ProcessImage.Form().fields["names"].help_text
    assert "{name}, {number}, {width}, {height} and {format}" in text


# --- try the first one ------------------------------------------------------------------------------


def test_a_trial_makes_only_the_first_and_offers_all(ctx):
    files = {f"{colour}.png": data(Image.new("RGB", (20, 20), colour)) for colour in ("red", "lime", "blue")}
    zipped = {"a.zip": packed(files)}
    result = process(ctx, zipped, format="webp", names="{number}-{name}", try_one=True)
    assert sorted(ctx.saved) == ["1-red.webp"]
    assert near(made(ctx, result).getpixel((5, 5)), (255, 0, 0), 12)
    assert result["summary"].startswith("The first of 3: 1 image, ")
    [offer] = ProcessImage.offers({"try_one": True}, result)
    assert (offer.label, offer.params) == ("Process all 3", {"try_one": False})
    assert ProcessImage.offers({}, process(ctx, zipped, format="webp")) == ()


def test_a_trial_of_one_image_is_the_whole(ctx):
    assert validated({"width": 40, "try_one": True})["try_one"] is False
    result = process(ctx, {"a.zip": packed({"a.png": data(quarters())})}, format="webp", try_one=True)
    assert ProcessImage.offers({"try_one": True}, result) == ()


def test_a_trial_is_told_by_its_title():
    photo = data(quarters(), "JPEG")
    params = validated({"width": 40, "try_one": True}, photo, photo)
    images = [{"name": "a.jpg"}, {"name": "b.jpg"}]
    assert ProcessImage.title({**params, "images": images}) == "First of 2 images to 40 px"
