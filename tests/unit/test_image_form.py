"""The image kind's form: what it refuses, and how it says what will happen."""

import subprocess
import sys

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.datastructures import MultiValueDict
from PIL import Image

from jobs.core.errors import Refused
from jobs.kinds._image.sniff import dimensions
from jobs.kinds.image import ProcessImage
from jobs.submit.validate import bind, cleaned, to_json
from tests.unit.images import bomb, data, noise, packed, quarters


def validated(params: dict, *contents: bytes, name: str = "photo.jpg") -> dict:
    """Cleaned data, by the way that the API and the pages take."""
    files = [SimpleUploadedFile(name, content) for content in contents or [data(quarters(), "JPEG")]]
    return cleaned(bind(ProcessImage, params, MultiValueDict({"images": files})))


@pytest.mark.parametrize(
    ("params", "field", "said"),
    [
        ({}, "__all__", "Nothing to do yet"),
        ({"resize": "fit"}, "width", "needs a width or a height"),
        ({"resize": "fill", "width": 10}, "height", "height is missing"),
        ({"resize": "exact", "height": 10}, "width", "width is missing"),
        ({"resize": "exact", "width": 16000, "height": 16000}, "width", "more than 100 megapixels"),
        ({"width": 0}, "width", "greater than or equal to 1"),
        ({"width": "wide"}, "width", "whole number"),
        ({"width": 16001}, "width", "less than or equal to 16000"),
        ({"format": "webp", "quality": 0}, "quality", "greater than or equal to 1"),
        ({"format": "webp", "quality": 101}, "quality", "less than or equal to 100"),
        ({"format": "bmp"}, "format", "not one of the available choices"),
        ({"crop_x": 3}, "crop_width", "needs a width and a height"),
        ({"crop_width": 10}, "crop_height", "needs a width and a height"),
        ({"crop_width": 10, "crop_height": -1}, "crop_height", "greater than or equal to 1"),
        ({"crop_width": 10, "crop_height": 81}, "crop_width", "reaches to 10, 81; photo.jpg has 80 × 60"),
        ({"blur": 2, "sharpen": 2}, "sharpen", "undo each other"),
        ({"grayscale": True, "profile": "keep"}, "profile", "Grayscale cannot keep"),
        ({"rotate": 361}, "rotate", "less than or equal to 360"),
        ({"rotate": "nan"}, "rotate", "Enter a number"),
        ({"watermark": "x", "watermark_opacity": 0}, "watermark_opacity", "greater than or equal to 1"),
        ({"flip": "sideways"}, "flip", "not one of the available choices"),
        ({"colour": "red"}, "colour", "Unknown parameter"),
    ],
)
def test_refused(params, field, said):
    with pytest.raises(Refused) as refused:
        validated(params)
    assert said in " ".join(refused.value.errors[field])


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        (
            b"MZ\x90\0",
            "setup.jpg",
            "setup.jpg is not an image that can be read: by its content it is a Windows program.",
        ),
        (b"plain words", "a.png", "a.png is not an image that can be read: its content is none of JPEG"),
        (bomb(20_000, 20_000), "a.png", "a.png has 20,000 × 20,000 pixels: at most 100 megapixels are taken."),
        (b"x", "a.txt", "a.txt: expected a file that ends in .jpg"),
        (b"", "a.png", "empty"),
    ],
)
def test_refused_files(content, name, said):
    with pytest.raises(Refused) as refused:
        validated({"format": "webp"}, content, name=name)
    assert said in " ".join(refused.value.errors["images"])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_headers_tell_the_size(kind):
    assert dimensions(data(noise(123, 45), kind)) == (123, 45)
    assert dimensions(data(noise(123, 45), kind)[:9]) is None


def test_webp_headers_without_loss_and_with_alpha_tell_the_size():
    assert dimensions(data(noise(123, 45), "WEBP", lossless=True)) == (123, 45)
    assert dimensions(data(noise(123, 45), "WEBP", exif=Image.Exif().tobytes() + b"Exif\0\0x")) == (123, 45)


def test_a_size_alone_means_fit_and_defaults_are_filled_in():
    params = validated({"width": 40})
    assert params["resize"] == "fit"
    assert (params["format"], params["profile"], params["watermark_opacity"]) == ("keep", "srgb", 60)


def test_a_crop_that_fits_when_turned_is_left_to_the_worker():
    assert validated({"crop_width": 50, "crop_height": 80})["crop_height"] == 80


def test_uploads_can_still_be_read_after_validation():
    content = data(quarters(), "JPEG")
    [upload] = validated({"width": 40}, content)["images"]
    assert upload.read() == content


def test_the_limit_is_stated_beside_the_field():
    text = ProcessImage.Form().fields["images"].help_text
    assert "200 MB" in text
    assert "100 megapixels" in text


@pytest.mark.parametrize(
    ("params", "names", "title"),
    [
        ({"width": 1024, "format": "webp"}, ["photo.jpg"], "photo.jpg to 1024 px WebP"),
        ({"format": "webp"}, ["a.jpg"] * 12, "12 images to WebP"),
        ({"resize": "fill", "width": 80, "height": 60}, ["a.jpg"], "a.jpg to 80 × 60 px"),
        ({"rotate": 90, "watermark": "{x}"}, ["a.jpg"], "a.jpg: rotate 90°, watermark “{x}”"),
        ({"quality": 30}, ["trip.zip"], "trip.zip: compress"),
    ],
)
def test_title(params, names, title):
    form = bind(
        ProcessImage, params, MultiValueDict({"images": [SimpleUploadedFile("a.jpg", data(quarters(), "JPEG"))]})
    )
    stored = to_json(form, cleaned(form))
    assert ProcessImage.title({**stored, "images": [{"name": name} for name in names]}) == title


def test_preview_says_what_will_happen():
    rows = dict(ProcessImage.preview(validated({"width": 40, "grayscale": True, "format": "avif", "strip": True})))
    assert rows["Steps"] == "fit 40 px, grayscale, remove metadata"
    assert rows["Result"] == "AVIF, quality 60"
    assert rows["Metadata"] == "removed"
    zipped = dict(ProcessImage.preview(validated({"format": "png"}, packed({"a.png": b""}), name="a.zip")))
    assert zipped["Result"] == "PNG, lossless"


def test_the_web_process_does_not_load_libvips():
    code = (
        "import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'jobsite.settings'; import django; django.setup();"
        "from jobs.kinds.image import ProcessImage; ProcessImage.Form();"
        "print('pyvips' in sys.modules, 'PIL' in sys.modules)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["False", "False"]
