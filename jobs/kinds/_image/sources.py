"""The images of a job, one by one: uploads as they are, zips opened member by member within stated limits."""

import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from jobs.core.fields import MB
from jobs.core.kind import Context
from jobs.kinds._image import sniff
from jobs.kinds._zip import reading
from jobs.kinds._zip.reading import Unusable

#: Of one job. The form states it beside the field.
MAX_IMAGES = 1000


@dataclass(frozen=True)
class Source:
    """One image to be read: an upload, or a member of an uploaded zip."""

    #: What people are shown: "photo.jpg", or "trip.zip: day 1/photo.jpg".
    name: str
    #: The file's own name, without folders.
    filename: str
    ref: Mapping[str, Any]
    #: Of a zip; not its name alone, which another member may have too.
    member: zipfile.ZipInfo | None = None

    def fetch(self, ctx: Context, folder: Path) -> Path:
        """The image as a file on this machine, recognised by its content. Raises Unusable."""
        path = self._unpacked(self.member, ctx, folder) if self.member else ctx.path(self.ref)
        with path.open("rb") as file:
            head = file.read(sniff.HEAD)
        if reason := sniff.problem(head, zips=False):
            raise Unusable(f"It {reason}")
        return path

    def _unpacked(self, member: zipfile.ZipInfo, ctx: Context, folder: Path) -> Path:
        target = folder / "member"
        with (
            ctx.path(self.ref).open("rb") as source,
            reading.opened(source) as archive,
            reading.reads(),
            archive.open(member) as packed,
            target.open("wb") as file,
        ):
            shutil.copyfileobj(packed, file, MB)
        return target


@dataclass(frozen=True)
class Listing:
    sources: list[Source]
    #: {"input", "error"} of uploads that gave no image at all.
    errors: list[dict[str, str]]


def listing(refs: Sequence[Mapping[str, Any]], ctx: Context) -> Listing:
    """Every image of the uploads, zips looked into. Nothing is unpacked yet."""
    sources: list[Source] = []
    errors: list[dict[str, str]] = []
    for ref in refs:
        name = str(ref["name"])
        try:
            found = _members(ref, ctx) if _is_zip(ctx.path(ref)) else [Source(name, name, ref)]
            if len(sources) + len(found) > MAX_IMAGES:
                raise Unusable(
                    f"With it there are {len(sources) + len(found):,} images: at most {MAX_IMAGES:,} are taken."
                )
            sources += found
        except Unusable as error:
            errors.append({"input": name, "error": str(error)})
    return Listing(sources, errors)


def _is_zip(path: Path) -> bool:
    with path.open("rb") as file:
        return sniff.recognise(file.read(16)) == "zip"


def _members(ref: Mapping[str, Any], ctx: Context) -> list[Source]:
    with ctx.path(ref).open("rb") as file, reading.opened(file) as archive:
        infos = reading.files(archive)
    reading.check(infos, MAX_IMAGES)
    return [Source(f"{ref['name']}: {info.filename}", PurePosixPath(info.filename).name, ref, info) for info in infos]
