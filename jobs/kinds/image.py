"""Images: resized, cropped, filtered, converted."""

import json
import logging
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobs.core.errors import PermanentError
from jobs.core.fields import size_in_words
from jobs.core.kind import Context, Kind, Offer
from jobs.core.retry import Exponential, Retry
from jobs.kinds._image.form import ImageForm, edits, size_text
from jobs.kinds._image.names import Names
from jobs.kinds._image.sizes import Size, sizes_of
from jobs.kinds._image.sniff import HEAD, LABELS, recognise
from jobs.kinds._image.sources import Source, listing
from jobs.kinds._image.steps import Work, plan
from jobs.kinds._image.write import QUALITY, reason, write
from jobs.kinds._zip.reading import Unusable

#: Results of one job: each is a file of its own.
MAX_RESULTS = 2000
#: A result longer than this [bytes] is kept whole as a file, and cut in the job's row.
MAX_RESULT = 48 * 1024


class ProcessImage(Kind):
    """Resize, crop, filter and convert images: one, many, or a zip of them.

    The result: {"summary", "images": [{"input", "name", "artifact", "format", "width", "height", "bytes", "notes"}],
    "errors": [{"input", "error"}], "zip": reference or None}; of a trial also "images_in_all". Each image
    is among "images" once for each size. A damaged image among many fails alone.
    """

    slug, label, pool, order = "image", "Process images", "cpu", 20
    retry = Retry(on=(OSError,), attempts=3, backoff=Exponential(base=2, cap=300, jitter=True))
    time_limit = 600
    idempotent = True

    class Form(ImageForm):
        """Declared in _image/form.py."""

    @classmethod
    def title(cls, params: Mapping[str, Any]) -> str:
        files = params.get("images") or []
        what = files[0]["name"] if len(files) == 1 else f"{len(files)} images"
        what = f"First of {what}" if params.get("try_one") else what
        target = params.get("format") or "keep"
        into = " ".join(filter(None, (size_text(params), LABELS[target] if target != "keep" else "")))
        return f"{what} to {into}" if into else f"{what}: {', '.join(edits(params)) or 'compress'}"

    @classmethod
    def preview(cls, cleaned: Mapping[str, Any]) -> list[tuple[str, str]]:
        files = cleaned["images"]
        size = size_in_words(sum(file.size for file in files))
        images = files[0].name if len(files) == 1 else f"{len(files)} files"
        target = cleaned["format"]
        kind = LABELS[target] if target != "keep" else "the format of each file"
        lossy = target in QUALITY or target == "keep"
        quality = (
            f", quality {cleaned.get('quality') or QUALITY.get(target, QUALITY['jpeg'])}" if lossy else ", lossless"
        )
        metadata = "removed" if cleaned.get("strip") else "kept"
        colours = "own profile" if cleaned["profile"] == "keep" else "sRGB"
        rows = [
            ("Images", f"{images}, {size}"),
            ("Steps", ", ".join(edits(cleaned)) or "none"),
            ("Result", kind + quality),
            ("Colours", colours),
            ("Metadata", metadata),
        ]
        if cleaned.get("names"):
            rows.append(("Names", cleaned["names"]))
        several = len(files) > 1 or len(sizes_of(cleaned)) > 1
        return [*rows, ("Download", "one by one, and all as a zip")] if several else rows

    @classmethod
    def offers(cls, params: Mapping[str, Any], result: Any) -> Sequence[Offer]:
        count = result.get("images_in_all", 1) if isinstance(result, dict) else 1
        return [Offer("all", f"Process all {count:,}", {"try_one": False})] if count > 1 else ()

    def run(self, params: dict[str, Any], ctx: Context) -> dict[str, Any]:
        set_up_libvips()
        found = listing(params["images"], ctx)
        results = len(found.sources) * len(sizes_of(params))
        if results > MAX_RESULTS:
            raise PermanentError(f"{results:,} images would become of it: at most {MAX_RESULTS:,} are made in one job.")
        batch = _Batch(params, ctx, found.sources, found.errors)
        batch.run()
        return batch.result()


class _Batch:
    """The images of one job, one after the other: at any time only one is open, and only one zip member unpacked."""

    def __init__(self, params: dict[str, Any], ctx: Context, sources: list[Source], errors: list[dict[str, str]]):
        self.params, self.ctx, self.errors = params, ctx, errors
        self.in_all = len(sources)
        self.sources = sources[:1] if params.get("try_one") else sources
        self.sizes = sizes_of(params)
        self.folder = ctx.tempdir()
        self.names = Names(params.get("names") or "", len(sources), len(self.sizes))
        self.images: list[dict[str, Any]] = []
        self.once, self.each = plan(params)
        #: Steps of one image, and of all: what progress counts.
        self.of_one = len(self.once) + len(self.sizes) * (len(self.each) + 1)
        self.total = self.of_one * len(self.sources)

    def run(self) -> None:
        """Process every image. Raises PermanentError, naming each, where none could be."""
        with zipfile.ZipFile(self._zip, "w", zipfile.ZIP_STORED) as archive:
            for index, source in enumerate(self.sources):
                with self._telling(source.name):
                    self._process(index, source, archive)
        if not self.images:
            raise PermanentError(" ".join(f"{error['input']}: {error['error']}" for error in self.errors))

    def result(self) -> dict[str, Any]:
        done, failed = len(self.images), len(self.errors)
        bundle = self.ctx.save("images.zip", self._zip, "application/zip") if done > 1 else None
        self.ctx.progress(self.total, self.total, "done")
        size = size_in_words(sum(image["bytes"] for image in self.images))
        summary = f"{done} image{'s' * (done != 1)}, {size}" + (f"; {failed} could not be processed" if failed else "")
        result: dict[str, Any] = {"summary": summary, "images": self.images, "errors": self.errors, "zip": bundle}
        if self.in_all > len(self.sources):
            result |= {"summary": f"The first of {self.in_all:,}: {summary}", "images_in_all": self.in_all}
        if len(json.dumps(result)) > MAX_RESULT:
            whole = self.ctx.save("result.json", json.dumps(result, indent=1).encode(), "application/json")
            result |= {"images": self.images[:50], "errors": self.errors[:50], "whole": whole}
        return result

    @property
    def _zip(self) -> Path:
        return self.folder / "images.zip"

    def _process(self, index: int, source: Source, archive: zipfile.ZipFile) -> None:
        """One image in all its sizes."""
        done, where = index * self.of_one, source.name

        def progress(share: float, step: str) -> None:
            self.ctx.progress(round(done + share, 2), self.total, f"{where}: {step}")

        progress(0, "open")
        path = source.fetch(self.ctx, self.folder)
        work = Work(path, self.params, self._target(path), self.folder, self.sizes)
        for name, step in self.once:
            progress(0, name)
            step(work)
            done += 1
        for number, size in enumerate(self.sizes):
            done = index * self.of_one + len(self.once) + number * (len(self.each) + 1)
            where = self._where(source, size)
            with self._telling(where):
                self._make(index, source, work.at(size), progress, archive)

    def _make(self, index: int, source: Source, work: Work, progress: Callable[[float, str], None],
              archive: zipfile.ZipFile) -> None:  # fmt: skip
        """One image in one size."""
        output = self.folder / "output"
        for number, (name, step) in enumerate(self.each):
            progress(number, name)
            step(work)
        write(work, output, lambda share: progress(len(self.each) + share, f"write {LABELS[work.target]}"))
        self._keep(index, source, work, output, archive)

    def _where(self, source: Source, size: Size) -> str:
        return f"{source.name} at {size.words}" if len(self.sizes) > 1 else source.name

    @contextmanager
    def _telling(self, where: str) -> Iterator[None]:
        """What cannot be processed is noted, and the others go on."""
        import pyvips

        try:
            yield
        except (Unusable, pyvips.Error) as error:
            text = str(error) if isinstance(error, Unusable) else reason(error)
            self.errors.append({"input": where, "error": text})
            self.ctx.log(f"{where}: {text}")

    def _target(self, path: Path) -> str:
        """The format to be written: the one asked for, or that of the file."""
        wanted = self.params.get("format") or "keep"
        if wanted != "keep":
            return str(wanted)
        with path.open("rb") as file:
            return recognise(file.read(HEAD))

    def _keep(self, index: int, source: Source, work: Work, output: Path, archive: zipfile.ZipFile) -> None:
        name = self.names.name(source.filename, index + 1, work.target, work.image.width, work.image.height)
        entry = {
            "input": source.name, "name": name, "format": work.target, "width": work.image.width,
            "height": work.image.height, "bytes": output.stat().st_size, "notes": work.notes,
        }  # fmt: skip
        if len(self.sources) * len(self.sizes) > 1:
            archive.write(output, name)
        entry["artifact"] = self.ctx.save(name, output, f"image/{work.target}")["artifact"]
        output.unlink(missing_ok=True)
        self.images.append(entry)


def set_up_libvips() -> None:
    """Bounded threads and memory: each child of the pool computes one job, beside others. Repeatable."""
    os.environ.setdefault("VIPS_CONCURRENCY", "2")
    import pyvips

    logging.getLogger("pyvips").setLevel(logging.WARNING)  # below, each step of each image is told
    pyvips.cache_set_max(0)
    pyvips.block_untrusted_set(True)
