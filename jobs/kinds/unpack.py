"""Unpack: the files of a zip, one by one."""

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from django import forms

from jobs.core.errors import PermanentError
from jobs.core.fields import MB, UploadField, size_in_words
from jobs.core.kind import Context, Kind
from jobs.core.retry import Exponential, Retry
from jobs.kinds._given import opened
from jobs.kinds._zip import reading
from jobs.kinds._zip.names import Numbered, own
from jobs.kinds._zip.reading import MAX_FILE, MAX_UNPACKED, Unusable

#: Each becomes a file of the job, and of a workflow maybe a job of its own.
MAX_FILES = 5000
MAX_ZIP = 2000 * MB
#: Files left out that the result names.
NAMED = 50


class UnpackForm(Kind.Form):
    archive = UploadField(
        label="Zip",
        accept=(".zip",),
        max_size=MAX_ZIP,
        help_text=f"Up to {size_in_words(MAX_ZIP)} with {MAX_FILES:,} files, each up to {size_in_words(MAX_FILE)}, "
        f"together {size_in_words(MAX_UNPACKED)}.",
    )
    pattern = forms.CharField(
        label="Only files named",
        required=False,
        max_length=500,
        help_text="Such as *.jpg, or several: *.jpg, *.png, day 1/*. Empty: all.",
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if data.get("archive") and "pattern" in data:
            try:
                look(data["archive"][0], data["pattern"])
            except Unusable as error:
                self.add_error("archive", str(error))
        return data


class Unpack(Kind):
    """Unpack a zip: each file in it becomes a file of the job.

    Folders fall away, names that come twice are numbered. What macOS and Windows leave in zips is passed over. The
    result: {"summary", "files", "bytes", "left_out": [{"name", "reason"}], "left_out_in_all"}.
    """

    slug, label, pool, order = "unpack", "Unpack a zip", "cpu", 52
    retry = Retry(on=(OSError,), attempts=3, backoff=Exponential(base=2, cap=300, jitter=True))
    idempotent = True
    Form = UnpackForm

    @classmethod
    def title(cls, params: Mapping[str, Any]) -> str:
        files = params.get("archive") or []
        name, pattern = f"Unpack {files[0]['name']}" if files else cls.label, params.get("pattern") or ""
        return f"{name}: {pattern}" if 0 < len(pattern) <= 40 else name

    @classmethod
    def preview(cls, cleaned: Mapping[str, Any]) -> list[tuple[str, str]]:
        return look(cleaned["archive"][0], cleaned["pattern"]).rows()

    def run(self, params: dict[str, Any], ctx: Context) -> dict[str, Any]:
        try:
            with ctx.path(params["archive"][0]).open("rb") as file, reading.opened(file) as archive:
                return _unpacked(archive, params.get("pattern") or "", ctx)
        except Unusable as error:
            raise PermanentError(f"{params['archive'][0]['name']}: {error}") from error


@dataclass(frozen=True)
class Contents:
    """What a zip holds: members to be unpacked, and those that the pattern leaves out."""

    wanted: list[zipfile.ZipInfo]
    others: list[zipfile.ZipInfo]

    def rows(self) -> list[tuple[str, str]]:
        """As a preview shows it."""
        size = size_in_words(sum(info.file_size for info in self.wanted))
        rows = [("Unpacks", f"{len(self.wanted):,} file{'s' * (len(self.wanted) != 1)}, {size}")]
        return [*rows, ("Left out", f"{len(self.others):,} with other names")] if self.others else rows


def look(file: Any, pattern: str) -> Contents:
    """What an upload, or a file that is stored already, holds. Raises Unusable."""
    try:
        with opened(file) as content, reading.opened(content) as archive:
            return _contents(archive, pattern)
    except FileNotFoundError:
        raise Unusable(f"{file.name} is not kept any more.") from None


def _contents(archive: zipfile.ZipFile, pattern: str) -> Contents:
    patterns = [part.strip().lower() for part in pattern.split(",") if part.strip()]
    found = Contents([], [])
    for info in reading.files(archive):
        path = info.filename.replace("\\", "/").lower()
        names = (path, PurePosixPath(path).name)
        fits = not patterns or any(fnmatchcase(name, part) for name in names for part in patterns)
        (found.wanted if fits else found.others).append(info)
    if found.others and not found.wanted:
        raise Unusable(f"No file in it is named {pattern}.")
    reading.check(found.wanted, MAX_FILES)
    return found


def _unpacked(archive: zipfile.ZipFile, pattern: str, ctx: Context) -> dict[str, Any]:
    found, names, total = _contents(archive, pattern), Numbered(), 0
    left_out = [{"name": info.filename, "reason": "Not asked for."} for info in found.others]
    damaged: list[dict[str, str]] = []
    for index, info in enumerate(found.wanted):
        ctx.progress(index, len(found.wanted), info.filename)
        try:
            path = _extracted(archive, info, ctx)
        except Unusable as error:
            damaged.append({"name": info.filename, "reason": str(error)})
            ctx.log(f"{info.filename}: {error}")
            continue
        ctx.save(names.name(*own(info.filename)), path)
        total += info.file_size
    count = len(found.wanted) - len(damaged)
    if not count:
        raise Unusable(f"None of its files can be unpacked. {damaged[0]['name']}: {damaged[0]['reason']}")
    ctx.progress(len(found.wanted), len(found.wanted), "done")
    left_out = [*damaged, *left_out]
    summary = f"{count:,} file{'s' * (count != 1)}, {size_in_words(total)}"
    return {
        "summary": summary + (f"; {len(left_out):,} left out" if left_out else ""),
        "files": count,
        "bytes": total,
        "left_out": left_out[:NAMED],
        "left_out_in_all": len(left_out),
    }


def _extracted(archive: zipfile.ZipFile, info: zipfile.ZipInfo, ctx: Context) -> Path:
    """One member as a file, until the next one. Raises Unusable where it is damaged."""
    target = ctx.tempdir() / "member"
    with reading.reads(), archive.open(info) as packed, target.open("wb") as file:
        while chunk := packed.read(MB):
            file.write(chunk)
            ctx.check()
    return target
