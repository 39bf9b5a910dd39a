"""Pack: files into one zip."""

import re
import time
import zipfile
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from django import forms
from django.conf import settings

from jobs.core.errors import PermanentError
from jobs.core.fields import MB, UploadField, size_in_words
from jobs.core.kind import Context, Kind
from jobs.core.retry import Exponential, Retry
from jobs.kinds._zip.names import FORBIDDEN, Numbered, own
from jobs.kinds._zip.reading import MAX_UNPACKED

MAX_FILES = 10_000
#: What is packed already, and would only cost time to be packed again.
DENSE = {
    ".7z", ".avif", ".docx", ".gif", ".gz", ".heic", ".jpeg", ".jpg", ".m4a", ".mov", ".mp3", ".mp4", ".parquet",
    ".pdf", ".png", ".pptx", ".webm", ".webp", ".xlsx", ".xz", ".zip", ".zst",
}  # fmt: skip


class PackForm(Kind.Form):
    files = UploadField(  # type: ignore[assignment]  # Django takes declared fields out of the class
        label="Files",
        multiple=True,
        max_count=MAX_FILES,
        max_size=1000 * MB,
        help_text=f"Up to {MAX_FILES:,}, together up to {size_in_words(MAX_UNPACKED)}. A program, or a page without "
        f"scripts, sends at most {settings.DATA_UPLOAD_MAX_NUMBER_FILES:,} at a time.",
    )
    name = forms.CharField(
        label="Name of the zip",
        required=False,
        initial="files.zip",
        max_length=100,
        help_text="Files in it whose names come twice are numbered.",
    )

    def clean_files(self) -> list[Any]:
        files = self.cleaned_data["files"]
        if (together := sum(file.size for file in files)) > MAX_UNPACKED:
            raise forms.ValidationError(
                f"{size_in_words(together)} together: at most {size_in_words(MAX_UNPACKED)} are taken."
            )
        return files

    def clean_name(self) -> str:
        name = self.cleaned_data["name"].strip() or "files.zip"
        if wrong := re.search(FORBIDDEN, name):
            raise forms.ValidationError(f"“{wrong[0]}” cannot stand in a file's name: write a name such as photos.zip.")
        if name.startswith("."):
            raise forms.ValidationError("A name does not start with a dot.")
        return name if name.lower().endswith(".zip") else f"{name}.zip"


class Pack(Kind):
    """Pack files into one zip.

    Names that come twice are numbered. The result: {"summary", "files", "bytes": of the zip, "zip": reference}.
    """

    slug, label, pool, order = "pack", "Pack a zip", "cpu", 54
    retry = Retry(on=(OSError,), attempts=3, backoff=Exponential(base=2, cap=300, jitter=True))
    idempotent = True
    Form = PackForm

    @classmethod
    def title(cls, params: Mapping[str, Any]) -> str:
        count = len(params.get("files") or [])
        return f"Pack {count:,} file{'s' * (count != 1)} as {params.get('name') or 'files.zip'}"

    @classmethod
    def preview(cls, cleaned: Mapping[str, Any]) -> list[tuple[str, str]]:
        files = cleaned["files"]
        size = size_in_words(sum(file.size for file in files))
        return [("Packs", f"{len(files):,} file{'s' * (len(files) != 1)}, {size}"), ("Zip", cleaned["name"])]

    def run(self, params: dict[str, Any], ctx: Context) -> dict[str, Any]:
        refs, target, names = params["files"], ctx.tempdir() / "packed.zip", Numbered()
        with zipfile.ZipFile(target, "w") as archive:
            for index, ref in enumerate(refs):
                ctx.progress(index, len(refs), ref["name"])
                _add(archive, names.name(*own(ref["name"])), ref, ctx)
        ctx.progress(len(refs), len(refs), "done")
        kept = ctx.save(params["name"], target, "application/zip")
        count, size = len(refs), target.stat().st_size
        summary = f"{count:,} file{'s' * (count != 1)}, {size_in_words(size)} as {params['name']}"
        return {"summary": summary, "files": count, "bytes": size, "zip": kept}


def _add(archive: zipfile.ZipFile, name: str, ref: Mapping[str, Any], ctx: Context) -> None:
    """Copy a file into the zip, a chunk at a time."""
    info = zipfile.ZipInfo(name, time.localtime()[:6])
    info.compress_type = zipfile.ZIP_STORED if PurePath(name).suffix.lower() in DENSE else zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    try:
        source = ctx.open(ref)
    except FileNotFoundError:
        raise PermanentError(f"{ref['name']} is not kept any more.") from None
    with source, archive.open(info, "w", force_zip64=True) as member:
        while chunk := source.read(MB):
            member.write(chunk)
            ctx.check()
