"""libvips, as the image kind uses it, beside Pillow: 12 megapixels to 1,024 pixels, and to three sizes in one go.

The rounds of the two alternate, so that a noisy machine is noisy for both.
"""

import random
import statistics
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.told import tell
from jobs.kinds._image.sizes import parse
from jobs.kinds._image.steps import Work, plan
from jobs.kinds._image.write import write
from jobs.kinds.image import set_up_libvips

QUALITY = 82


def photo(path: Path) -> None:
    """A JPEG of 4,000 × 3,000 with detail at several scales, as photographs have."""
    coarse, fine = (
        Image.frombytes("RGB", size, random.Random(seed).randbytes(size[0] * size[1] * 3)).resize((4000, 3000))
        for seed, size in ((1, (40, 30)), (2, (2000, 1500)))
    )
    Image.blend(coarse, fine, 0.2).save(path, quality=90)


def ours(source: Path, output: Path, target: str, sizes: tuple[int, ...]) -> None:
    params = {"resize": "fit", "profile": "srgb", "quality": QUALITY}
    work = Work(source, params, target, output.parent, parse(", ".join(map(str, sizes))))
    once, each = plan(params)
    for _, step in once:
        step(work)
    for size in work.sizes:
        one = work.at(size)
        for _, step in each:
            step(one)
        write(one, output, lambda share: None)


def pillows(source: Path, output: Path, target: str, sizes: tuple[int, ...]) -> None:
    with Image.open(source) as image:
        for size in sorted(sizes, reverse=True):  # each made of the one before, as one does by hand
            image.thumbnail((size, size), Image.Resampling.LANCZOS)  # the first shrinks on load, too
            image.save(output, target.upper(), quality=QUALITY)


def milliseconds(work: Callable[..., None], *arguments: Any) -> float:
    start = time.perf_counter()
    work(*arguments)
    return (time.perf_counter() - start) * 1000


def run(options: Namespace) -> None:
    set_up_libvips()
    with tempfile.TemporaryDirectory(prefix="jobsite-bench-") as name:
        folder = Path(name)
        source = folder / "photo.jpg"
        photo(source)
        for target in ("webp", "jpeg"):
            for sizes in ((1024,), (1600, 1024, 320)):
                figures: dict[str, list[float]] = {"ours": [], "peer": []}
                for _ in range(2 * options.repeats + 2):  # the first warms up
                    figures["ours"].append(milliseconds(ours, source, folder / f"ours.{target}", target, sizes))
                    figures["peer"].append(milliseconds(pillows, source, folder / f"peer.{target}", target, sizes))
                mine, peer = (statistics.median(figures[who][1:]) for who in ("ours", "peer"))
                what = f"12 MP JPEG to {target}, {', '.join(f'{size:,}' for size in sizes)} px"
                tell(what, mine, "ms", peer=peer, peer_name="Pillow")
