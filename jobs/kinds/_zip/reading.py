"""Reading a zip, and refusing one that no honest program has packed."""

import lzma
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath
from typing import IO, Any, cast

from jobs.core.fields import GB, MB, size_in_words

#: Limits of one zip. The forms state them beside the field.
MAX_FILE = 200 * MB
MAX_UNPACKED = 4 * GB
#: A member that unpacks to more than `RATIO_FROM` bytes may be so many times its packed size.
MAX_RATIO = 100
RATIO_FROM = 10 * MB
#: zipfile reads a zip's whole list of members at once: about 10,000 of them fit into this.
_MAX_DIRECTORY = 1 * MB
#: The flag of a member whose name is in UTF-8.
_UTF_8 = 0x800

_CLUTTER = {".ds_store", "thumbs.db", "desktop.ini"}


class Unusable(Exception):
    """One input that cannot be processed; the text says why, and is shown as it is."""


@contextmanager
def opened(file: IO[bytes]) -> Iterator[zipfile.ZipFile]:
    """A zip whose list of members can be read; members themselves are read within `reads`. Raises Unusable."""
    with reads():
        archive = zipfile.ZipFile(cast(IO[bytes], _SmallReads(file)))
    for info in archive.infolist():
        info.filename = _name(info)
    with archive:
        yield archive


def _name(info: zipfile.ZipInfo) -> str:
    """A member's name. macOS writes UTF-8 without the flag that says so, and letters apart from their accents."""
    name = info.filename
    if not info.flag_bits & _UTF_8:
        with suppress(UnicodeError):
            name = name.encode("cp437").decode()  # cp437 is what zipfile took it for
    return unicodedata.normalize("NFC", name)


@contextmanager
def reads() -> Iterator[None]:
    """Raises Unusable where what is read of a zip is damaged or of no known make."""
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            raise
        raise _damaged(error) from error  # what bz2 says of data that it cannot read
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, ValueError) as error:
        raise _damaged(error) from error
    except (NotImplementedError, RuntimeError) as error:
        raise Unusable(f"The zip is packed in a way that cannot be read here ({error}).") from error


def _damaged(error: Exception) -> Unusable:
    return Unusable(f"The zip is damaged or cut short ({error}).")


def files(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
    """The members that are files of somebody's own: folders and what systems leave in them are passed over."""
    named = [info for info in archive.infolist() if info.filename]
    return [info for info in named if not info.is_dir() and not _is_clutter(info.filename)]


def check(members: Sequence[zipfile.ZipInfo], most: int) -> None:
    """Raises Unusable where these are too many, too large, or not to be unpacked at all: the whole zip is refused."""
    if not members:
        raise Unusable("There is no file in this zip.")
    if len(members) > most:
        raise Unusable(f"It holds {len(members):,} files: at most {most:,} are taken.")
    total = sum(info.file_size for info in members)
    if total > MAX_UNPACKED:
        raise Unusable(f"It unpacks to {size_in_words(total)}: at most {size_in_words(MAX_UNPACKED)} are taken.")
    for info in members:
        _check(info)


def _check(info: zipfile.ZipInfo) -> None:
    path = PurePosixPath(info.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in "".join(path.parts[:1]):
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
            f"at most {MAX_RATIO} times is taken."
        )


def _is_clutter(name: str) -> bool:
    """What macOS and Windows leave in zips and folders."""
    path = PurePosixPath(name)
    return "__MACOSX" in path.parts or path.name.startswith("._") or path.name.lower() in _CLUTTER


class _SmallReads:
    """A file that gives nothing in large pieces, so that a forged list of members cannot fill the memory; and that
    knows a forged place of the list from a fault of the disk."""

    def __init__(self, file: IO[bytes]):
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if size > _MAX_DIRECTORY:
            raise Unusable("Its list of files is too long to be read.")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        if offset < 0 and whence == 0:
            raise zipfile.BadZipFile("its list of files lies outside of it")
        return self._file.seek(offset, whence)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
