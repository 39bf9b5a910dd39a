"""Images: resized, cropped, filtered, converted."""

import json
import logging
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jobs.core.errors import PermanentError
from jobs.core.fields import size_in_words
from jobs.core.kind import Context, Kind
from jobs.core.retry import Exponential, Retry
from jobs.kinds._image.form import ImageForm, edits, size_text
from jobs.kinds._image.sniff import HEAD, LABELS, recognise
from jobs.kinds._image.sources import Source, Unusable, listing
from jobs.kinds._image.steps import Work, plan
from jobs.kinds._image.write import QUALITY, Names, reason, write

#: A result longer than this [bytes] is kept whole as a file, and cut in the job's row.
MAX_RESULT = 48 * 1024


class ProcessImage(Kind):
    """Resize, crop, filter and convert images: one, many, or a zip of them.

    The result: {"summary", "images": [{"input", "name", "artifact", "format", "width", "height", "bytes", "notes"}],
    "errors": [{"input", "error"}], "zip": reference or None}. A damaged image among many fails alone.
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
        target = params.get("format") or "keep"
        into = " ".join(filter(None, (size_text(params), LABELS[target] if target != "keep" else "")))
        return f"{what} to {into}" if into else f"{what}: {', '.join(edits(params)) or 'compress'}"

    @classmethod
    def preview(cls, cleaned: Mapping[str, Any]) -> list[tuple[str, str]]:
        files = cleaned["images"]
        size = size_in_words(sum(file.size for file in files))
        names = files[0].name if len(files) == 1 else f"{len(files)} files"
        target = cleaned["format"]
        kind = LABELS[target] if target != "keep" else "the format of each file"
        lossy = target in QUALITY or target == "keep"
        quality = (
            f", quality {cleaned.get('quality') or QUALITY.get(target, QUALITY['jpeg'])}" if lossy else ", lossless"
        )
        metadata = "removed" if cleaned.get("strip") else "kept"
        colours = "own profile" if cleaned["profile"] == "keep" else "sRGB"
        rows = [
            ("Images", f"{names}, {size}"),
            ("Steps", ", ".join(edits(cleaned)) or "none"),
            ("Result", kind + quality),
            ("Colours", colours),
            ("Metadata", metadata),
        ]
        return [*rows, ("Download", "one by one, and all as a zip")] if len(files) > 1 else rows

    def run(self, params: dict[str, Any], ctx: Context) -> dict[str, Any]:
        set_up_libvips()
        found = listing(params["images"], ctx)
        batch = _Batch(params, ctx, found.sources, found.errors)
        batch.run()
        return batch.result()


class _Batch:
    """The images of one job, one after the other: at any time only one is open, and only one zip member unpacked."""

    def __init__(self, params: dict[str, Any], ctx: Context, sources: list[Source], errors: list[dict[str, str]]):
        self.params, self.ctx, self.sources, self.errors = params, ctx, sources, errors
        self.folder = ctx.tempdir()
        self.names = Names()
        self.images: list[dict[str, Any]] = []
        self.steps = plan(params)
        #: Steps of one image, and of all: what progress counts.
        self.each = len(self.steps) + 1
        self.total = self.each * len(sources)

    def run(self) -> None:
        """Process every image. Raises PermanentError, naming each, where none could be."""
        with zipfile.ZipFile(self._zip, "w", zipfile.ZIP_STORED) as archive:
            for index, source in enumerate(self.sources):
                try:
                    self._process(index, source, archive)
                except Unusable as error:
                    self.errors.append({"input": source.name, "error": str(error)})
                    self.ctx.log(f"{source.name}: {error}")
        if not self.images:
            raise PermanentError(" ".join(f"{error['input']}: {error['error']}" for error in self.errors))

    def result(self) -> dict[str, Any]:
        done, failed = len(self.images), len(self.errors)
        bundle = self.ctx.save("images.zip", self._zip, "application/zip") if done > 1 else None
        self.ctx.progress(self.total, self.total, "done")
        size = size_in_words(sum(image["bytes"] for image in self.images))
        summary = f"{done} image{'s' * (done != 1)}, {size}" + (f"; {failed} could not be processed" if failed else "")
        result = {"summary": summary, "images": self.images, "errors": self.errors, "zip": bundle}
        if len(json.dumps(result)) > MAX_RESULT:
            whole = self.ctx.save("result.json", json.dumps(result, indent=1).encode(), "application/json")
            result |= {"images": self.images[:50], "errors": self.errors[:50], "whole": whole}
        return result

    @property
    def _zip(self) -> Path:
        return self.folder / "images.zip"

    def _process(self, index: int, source: Source, archive: zipfile.ZipFile) -> None:
        import pyvips

        def progress(done: float, step: str) -> None:
            self.ctx.progress(round(index * self.each + done, 2), self.total, f"{source.name}: {step}")

        progress(0, "open")
        path = source.fetch(self.ctx, self.folder)
        work = Work(path, self.params, self._target(path), self.folder)
        output = self.folder / "output"
        try:
            for number, (name, step) in enumerate(self.steps):
                progress(number, name)
                step(work)
            write(work, output, lambda share: progress(len(self.steps) + share, f"write {LABELS[work.target]}"))
        except pyvips.Error as error:
            raise Unusable(reason(error)) from error
        self._keep(source, work, output, archive)

    def _target(self, path: Path) -> str:
        """The format to be written: the one asked for, or that of the file."""
        wanted = self.params.get("format") or "keep"
        if wanted != "keep":
            return str(wanted)
        with path.open("rb") as file:
            return recognise(file.read(HEAD))

    def _keep(self, source: Source, work: Work, output: Path, archive: zipfile.ZipFile) -> None:
        name = self.names.name(source.filename, work.target)
        entry = {
            "input": source.name, "name": name, "format": work.target, "width": work.image.width,
            "height": work.image.height, "bytes": output.stat().st_size, "notes": work.notes,
        }  # fmt: skip
        if len(self.sources) > 1:
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
