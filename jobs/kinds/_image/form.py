"""The parameters of the image kind, and what they contradict."""

from collections.abc import Mapping
from typing import Any

from django import forms

from jobs.core.fields import FileRef, TrialField, UploadField, size_in_words
from jobs.kinds._image import names, sniff
from jobs.kinds._image.limits import MAX_PIXELS
from jobs.kinds._image.sizes import MAX_SIDE, MAX_SIZES, SizesField, sizes_of
from jobs.kinds._image.sources import MAX_IMAGES
from jobs.kinds._zip.reading import MAX_FILE, MAX_UNPACKED

MEGAPIXELS = MAX_PIXELS // 10**6
ACCEPT = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".gif", ".tif", ".tiff", ".zip")
FORMATS = [("keep", "Keep"), ("jpeg", "JPEG"), ("png", "PNG"), ("webp", "WebP"), ("avif", "AVIF")]
POSITIONS = [
    (f"{down}-{across}", f"{down} {across}".capitalize() if (down, across) != ("middle", "center") else "Center")
    for down in ("top", "middle", "bottom")
    for across in ("left", "center", "right")
]
DEFAULTS = {
    "format": "keep",
    "profile": "srgb",
    "watermark_position": "bottom-right",
    "watermark_opacity": 60,
    "watermark_size": 5,
}
#: Fields that ask for something by themselves.
WISHES = (
    "resize", "crop_width", "rotate", "flip", "sharpen", "blur", "grayscale", "watermark", "strip", "quality",
)  # fmt: skip


def pixels(label: str, low: int = 1, **more: Any) -> forms.IntegerField:
    return forms.IntegerField(label=label, required=False, min_value=low, max_value=MAX_SIDE, **more)


def _placeholders() -> str:
    *some, last = (f"{{{name}}}" for name in names.FIELDS)
    return f"{', '.join(some)} and {last}"


class ImageForm(forms.Form):
    """The steps run in the order of the fields: crop, rotate, flip, resize, then the filters."""

    images = UploadField(
        label="Images",
        multiple=True,
        accept=ACCEPT,
        max_size=MAX_FILE,
        help_text=(
            f"JPEG, PNG, WebP, AVIF, GIF, TIFF, or a zip of them. Up to 200 files, each up to "
            f"{size_in_words(MAX_FILE)} and {MEGAPIXELS} megapixels; a zip may hold {MAX_IMAGES:,} images, "
            f"{size_in_words(MAX_UNPACKED)} unpacked."
        ),
    )
    format = forms.ChoiceField(label="Convert to", required=False, choices=FORMATS, initial=DEFAULTS["format"])
    quality = forms.IntegerField(
        label="Quality", required=False, min_value=1, max_value=100,
        help_text="1 to 100, for JPEG, WebP and AVIF. Empty: 82, for AVIF 60.",
    )  # fmt: skip
    resize = forms.ChoiceField(
        label="Resize",
        required=False,
        choices=[
            ("", "Fit, if a size is given"),
            ("fit", "Fit within the size"),
            ("fill", "Fill the size, cut what sticks out"),
            ("exact", "Exactly the size, even if distorted"),
        ],
    )
    width = pixels("Width", help_text="In pixels. With Fit, width or height is enough.")
    height = pixels("Height", help_text="In pixels.")
    sizes = SizesField(
        label="Several sizes",
        required=False,
        max_length=200,
        help_text=f"In place of width and height: up to {MAX_SIZES}, as in 320, 640x480, x200. Images come in each.",
    )
    enlarge = forms.BooleanField(
        label="Enlarge smaller images",
        required=False,
        help_text="Fit alone leaves images that are smaller as they are.",
    )
    crop_x = pixels("Crop from left", 0, help_text="In pixels of the upright original. Empty: 0.")
    crop_y = pixels("Crop from top", 0, help_text="In pixels. Empty: 0.")
    crop_width = pixels("Crop width", help_text="In pixels.")
    crop_height = pixels("Crop height", help_text="In pixels.")
    rotate = forms.FloatField(
        label="Rotate",
        required=False,
        min_value=-360,
        max_value=360,
        help_text="Degrees clockwise: 90, 180, 270, or any angle.",
    )
    flip = forms.ChoiceField(
        label="Flip",
        required=False,
        choices=[("", "No"), ("horizontal", "Left to right"), ("vertical", "Upside down"), ("both", "Both")],
    )
    grayscale = forms.BooleanField(label="Grayscale", required=False)
    blur = forms.FloatField(
        label="Blur", required=False, min_value=0, max_value=100, help_text="Radius in pixels, 0 to 100. Empty: none."
    )
    sharpen = forms.FloatField(
        label="Sharpen",
        required=False,
        min_value=0,
        max_value=10,
        help_text="Strength, 0 to 10; 3 is moderate. Empty: none.",
    )
    watermark = forms.CharField(
        label="Watermark", required=False, max_length=200, help_text="Text written on each image."
    )
    watermark_position = forms.ChoiceField(
        label="Watermark position", required=False, choices=POSITIONS, initial=DEFAULTS["watermark_position"]
    )
    watermark_opacity = forms.IntegerField(
        label="Watermark opacity", required=False, min_value=1, max_value=100, initial=DEFAULTS["watermark_opacity"],
        help_text="Percent.",
    )  # fmt: skip
    watermark_size = forms.FloatField(
        label="Watermark size", required=False, min_value=1, max_value=50, initial=DEFAULTS["watermark_size"],
        help_text="Height of the letters, in percent of the image's shorter side.",
    )  # fmt: skip
    strip = forms.BooleanField(
        label="Remove metadata", required=False, help_text="Camera, place and time (EXIF, IPTC, XMP)."
    )
    profile = forms.ChoiceField(
        label="Colours",
        required=False,
        choices=[("srgb", "Convert to sRGB"), ("keep", "Keep the file's own profile (CMYK becomes sRGB)")],
        initial=DEFAULTS["profile"],
    )
    names = forms.CharField(
        label="Names of the results",
        required=False,
        max_length=100,
        help_text=f"Made of {_placeholders()}. Empty: {{name}}.{{format}}, with several sizes "
        "{name}-{width}x{height}.{format}. A name that is taken already gets a number.",
    )
    try_one = TrialField(
        label="Try the first one", help_text="Processes only the first image; its page then offers to process all."
    )

    def clean_images(self) -> list[Any]:
        """Refuses by the first bytes what the worker would refuse later. Stored files were seen when they came."""
        uploads = self.cleaned_data["images"]
        problems = []
        for upload in uploads:
            if isinstance(upload, FileRef):
                continue
            head = _head(upload)
            if reason := sniff.problem(head):
                problems.append(f"{upload.name} {reason}")
            elif (size := sniff.dimensions(head)) and size[0] * size[1] > MAX_PIXELS:
                problems.append(
                    f"{upload.name} has {size[0]:,} × {size[1]:,} pixels: at most {MEGAPIXELS} megapixels are taken."
                )
        if problems:
            raise forms.ValidationError(problems)
        return uploads

    def clean_names(self) -> str:
        names.checked(self.cleaned_data["names"])
        return str(self.cleaned_data["names"])

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        for name, default in DEFAULTS.items():
            if name not in self.errors and data.get(name) in (None, ""):
                data[name] = default
        self._check_resize(data)
        self._check_names(data)
        self._check_crop(data)
        if data.get("blur") and data.get("sharpen"):
            self.add_error("sharpen", "Blur and sharpen undo each other: set one of them.")
        if data.get("grayscale") and data.get("profile") == "keep":
            self.add_error("profile", "Grayscale cannot keep a colour profile: convert to sRGB.")
        if not self.errors and data["format"] == "keep" and not any(data.get(name) for name in WISHES):
            raise forms.ValidationError("Nothing to do yet: give a size, an edit, a quality or another format.")
        data["try_one"] = bool(data.get("try_one")) and _may_be_many(data.get("images") or [])
        return data

    def _check_resize(self, data: dict[str, Any]) -> None:
        width, height, several = data.get("width"), data.get("height"), data.get("sizes")
        if {"width", "height", "resize", "sizes"} & set(self.errors):
            return
        if several and (width or height):
            self.add_error("sizes", "Give width and height, or several sizes: not both.")
        elif not data.get("resize"):
            data["resize"] = "fit" if width or height or several else ""
        elif data["resize"] == "fit" and not (width or height or several):
            self.add_error("width", "Fit needs a width or a height in pixels.")
        elif data["resize"] in ("fill", "exact"):
            self._check_both_sides(data)

    def _check_both_sides(self, data: dict[str, Any]) -> None:
        way = data["resize"].capitalize()
        for size in sizes_of(data):
            for name, side in size._asdict().items():
                if not side and data.get("sizes"):
                    self.add_error("sizes", f"{way} needs width and height, as in 640x480: {size} has no {name}.")
                elif not side:
                    self.add_error(name, f"{way} needs width and height in pixels: {name} is missing.")
            if size.width and size.height and size.width * size.height > MAX_PIXELS:
                self.add_error(
                    "sizes" if data.get("sizes") else "width",
                    f"{size.width:,} × {size.height:,} are more than {MEGAPIXELS} megapixels.",
                )

    def _check_names(self, data: dict[str, Any]) -> None:
        """Refuses a pattern by which results can only have the same name."""
        if not data.get("names") or {"names", "sizes", "images"} & set(self.errors):
            return
        used = names.checked(data["names"])
        if not used & {"name", "number"} and _may_be_many(data["images"]):
            self.add_error("names", "All images would have the same name: add {name} or {number}.")
        elif not used & {"width", "height"} and len(sizes_of(data)) > 1:
            self.add_error("names", "All sizes of an image would have the same name: add {width} or {height}.")

    def _check_crop(self, data: dict[str, Any]) -> None:
        names = ("crop_x", "crop_y", "crop_width", "crop_height")
        if set(names) & set(self.errors) or all(data.get(name) is None for name in names):
            return
        for name in ("crop_width", "crop_height"):
            if data.get(name) is None:
                self.add_error(name, "A crop needs a width and a height in pixels.")
        if {"crop_width", "crop_height", "images"} & set(self.errors):
            return
        far = ((data["crop_x"] or 0) + data["crop_width"], (data["crop_y"] or 0) + data["crop_height"])
        for upload in data["images"]:
            size = None if isinstance(upload, FileRef) else sniff.dimensions(_head(upload))
            if size and not _within(far, size):
                self.add_error(
                    "crop_width",
                    f"The crop reaches to {far[0]:,}, {far[1]:,}; {upload.name} has {size[0]:,} × {size[1]:,} pixels.",
                )


def _may_be_many(uploads: list[Any]) -> bool:
    """Whether there is more than one image, as far as names tell: a zip may hold any number."""
    return len(uploads) > 1 or any(upload.name.lower().endswith(".zip") for upload in uploads)


def _head(upload: Any) -> bytes:
    upload.seek(0)
    head = upload.read(sniff.HEAD)
    upload.seek(0)
    return head


def _within(far: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether a point lies in the image, upright or turned: only the worker reads the EXIF orientation."""
    return any(far[0] <= width and far[1] <= height for width, height in (size, size[::-1]))


def size_text(params: Mapping[str, Any]) -> str:
    """The size asked for, or the sizes: "1024 px", "320 px, 640 × 480 px", "5 sizes"."""
    if not params.get("resize"):
        return ""
    sizes = sizes_of(params)
    return ", ".join(size.words for size in sizes) if len(sizes) <= 3 else f"{len(sizes)} sizes"


def edits(params: Mapping[str, Any]) -> list[str]:
    """The edits asked for, in their order, as people say them."""
    turn = float(params.get("rotate") or 0)
    words = [
        (params.get("crop_width"), "crop to {crop_width} × {crop_height}"),
        (turn % 360, f"rotate {turn:g}°"),
        (params.get("flip"), "flip"),
        (params.get("resize"), "{resize} " + size_text(params)),
        (params.get("grayscale"), "grayscale"),
        (params.get("blur"), "blur {blur}"),
        (params.get("sharpen"), "sharpen {sharpen}"),
        (params.get("watermark"), "watermark “{watermark}”"),
        (params.get("strip"), "remove metadata"),
    ]
    return [text.format_map(dict(params)) for wanted, text in words if wanted]
