"""The images of a job, one by one: uploads as they are, zips opened member by member within stated limits."""

import io
import lzma
import shutil
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from jobs.core.fields import GB, MB, size_in_words
from jobs.core.kind import Context
from jobs.kinds._image import sniff

#: Limits of one job. The form states them beside the field.
MAX_IMAGES = 1000
MAX_FILE = 200 * MB
MAX_UNPACKED = 4 * GB
#: A member that unpacks to more than `RATIO_FROM` bytes may be so many times its packed size.
MAX_RATIO = 100
RATIO_FROM = 10 * MB
#: zipfile reads a zip's whole list of members at once: about 10,000 of them fit into this.
_MAX_DIRECTORY = 1 * MB

_CLUTTER = {".ds_store", "thumbs.db", "desktop.ini"}


class Unusable(Exception):
    """One input that cannot be processed; the text says why, and is shown as it is."""


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
        with _opened(ctx.path(self.ref)) as archive, archive.open(member) as packed, target.open("wb") as file:
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
            found = list(_members(ref, ctx)) if _is_zip(ctx.path(ref)) else [Source(name, name, ref)]
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


def _members(ref: Mapping[str, Any], ctx: Context) -> Iterator[Source]:
    with _opened(ctx.path(ref)) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir() and not _is_clutter(info.filename)]
    if not infos:
        raise Unusable("There is no file in this zip.")
    if len(infos) > MAX_IMAGES:
        raise Unusable(f"It holds {len(infos):,} files: at most {MAX_IMAGES:,} are taken.")
    total = sum(info.file_size for info in infos)
    if total > MAX_UNPACKED:
        raise Unusable(f"It unpacks to {size_in_words(total)}: at most {size_in_words(MAX_UNPACKED)} are taken.")
    for info in infos:
        _check(info)
        yield Source(f"{ref['name']}: {info.filename}", PurePosixPath(info.filename).name, ref, info)


def _check(info: zipfile.ZipInfo) -> None:
    """Raises Unusable for a member that no honest zip of images has; the whole zip is refused then."""
    path = PurePosixPath(info.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
        raise Unusable(f"Its member {info.filename!r} points outside of the zip.")
    if info.flag_bits & 0x1:
        raise Unusable(f"Its member {info.filename!r} is encrypted: zip it without a password.")
    if info.file_size > MAX_FILE:
        raise Unusable(
            f"Its member {info.filename!r} unpacks to {size_in_words(info.file_size)}: "
            f"at most {size_in_words(MAX_FILE)} are taken."
        )
    if info.file_size > RATIO_FROM and info.file_size > MAX_RATIO * max(info.compress_size, 1):
        raise Unusable(
            f"Its member {info.filename!r} unpacks to {info.file_size // max(info.compress_size, 1):,} times its size: "
            f"at most {MAX_RATIO} times is taken, since images hardly compress."
        )


def _is_clutter(name: str) -> bool:
    """What macOS and Windows leave in zips and folders."""
    path = PurePosixPath(name)
    return "__MACOSX" in path.parts or path.name.startswith("._") or path.name.lower() in _CLUTTER


class _SmallReads(io.FileIO):
    """A file that gives nothing in large pieces, so that a forged list of members cannot fill the memory."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _MAX_DIRECTORY:
            raise Unusable("Its list of files is too long to be a zip of images.")
        return super().read(size)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """A zip for reading. Raises Unusable where it, or what is read of it, is damaged or of no known make."""
    try:
        with _SmallReads(path) as file, zipfile.ZipFile(file) as archive:
            yield archive
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise Unusable(f"The zip is damaged or cut short ({error}).") from error
    except (NotImplementedError, RuntimeError) as error:
        raise Unusable(f"The zip is packed in a way that cannot be read here ({error}).") from error
