"""Photos: a zip of images, each changed, packed again, and told of by mail."""

from collections.abc import Mapping
from typing import Any

from django import forms

from jobs.core.fields import UploadField, size_in_words
from jobs.kinds._image.form import ACCEPT, ImageForm
from jobs.kinds._zip.names import own
from jobs.kinds._zip.reading import Unusable
from jobs.kinds.image import ProcessImage
from jobs.kinds.unpack import MAX_FILES, MAX_ZIP, look
from jobs.workflows.ready import Ready, _mail, ids

ZIP = ".zip"
PATTERN = ", ".join(f"*{suffix}" for suffix in ACCEPT if suffix != ZIP)


class PhotosForm(_mail.MailForm, ImageForm):
    """The form of the kind image, for one zip; what is for several images in one job falls away."""

    images = UploadField(
        label="Zip of images",
        accept=(ZIP,),
        max_size=MAX_ZIP,
        help_text=f"Up to {size_in_words(MAX_ZIP)} with {MAX_FILES:,} images. Other files in it are left out.",
    )
    sizes = names = try_one = None  # type: ignore[assignment]
    subject = _mail.subject_field("The photos are ready")
    text = _mail.text_field("Hello,\n\nthe photos are ready, all in one zip:\n${link}")
    field_order = ("images", "format", "quality", "resize", "width", "height")
    fieldsets = (
        (
            "More changes",
            (
                "enlarge", "crop_x", "crop_y", "crop_width", "crop_height", "rotate", "flip", "grayscale", "blur",
                "sharpen", "watermark", "watermark_position", "watermark_opacity", "watermark_size", "strip", "profile",
            ),
        ),
        _mail.FIELDSET,
    )  # fmt: skip

    def clean_images(self) -> list[Any]:
        files: list[Any] = self.cleaned_data["images"]
        try:
            look(files[0], PATTERN)
        except Unusable as error:
            raise forms.ValidationError(str(error)) from error
        return files


class Photos(Ready):
    """Changes every image of a zip, each in a job of its own, packs the results and mails where they are."""

    slug, label, Form = "photos", "Photos", PhotosForm
    steps = (
        ("unpack", "Takes the images out of the zip."),
        ("image", "Changes each image, many at a time. One that cannot be read fails alone."),
        ("pack", "Puts the changed images into one zip."),
        ("email", "Tells where that zip is."),
    )

    def preview(self, cleaned: Mapping[str, Any]) -> list[tuple[str, str]]:
        of_images = [row for row in ProcessImage.preview(cleaned) if row[0] not in ("Images", "Download")]
        return [*look(cleaned["images"][0], PATTERN).rows(), *of_images, *_mail.rows(cleaned)]

    def spec(self, cleaned: Mapping[str, Any]) -> dict[str, Any]:
        name = cleaned["images"][0]["name"]
        edits = {field: cleaned[field] for field in PhotosForm.base_fields.keys() & ImageForm.base_fields.keys()}
        packed = own(name)[0][:90].replace("${", "$${")
        return {
            "title": f"Photos of {name}",
            "on_failure": "skip",
            "chain": [
                {"kind": "unpack", "params": {"archive": ids(cleaned["images"]), "pattern": PATTERN}},
                {"kind": "image", "each": "${files}", "params": {**edits, "images": "${item}"}},
                {"kind": "pack", "needs": "some", "params": {"files": "${files}", "name": f"{packed}{ZIP}"}},
                {"kind": "email", "params": _mail.params_of(cleaned)},
            ],
        }
