"""libvips, as the image kind uses it, beside Pillow: 12 megapixels to 1,024 pixels, medians of one run.

    python -m benchmarks.image [--rounds 7]

Each line: what, ours [ms], peer [ms], ratio (peer / ours: above 1 we are faster). The rounds of the two
alternate, so that a noisy machine is noisy for both.
"""

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

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


def ours(source: Path, output: Path, target: str) -> None:
    params = {"resize": "fit", "width": 1024, "profile": "srgb", "quality": QUALITY}
    work = Work(source, params, target, output.parent)
    for _, step in plan(params):
        step(work)
    write(work, output, lambda share: None)


def pillows(source: Path, output: Path, target: str) -> None:
    with Image.open(source) as image:
        image.thumbnail((1024, 1024), Image.Resampling.LANCZOS)  # shrinks on load, too
        image.save(output, target.upper(), quality=QUALITY)


def milliseconds(work: Callable[..., None], *arguments: Any) -> float:
    start = time.perf_counter()
    work(*arguments)
    return (time.perf_counter() - start) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    set_up_libvips()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        source = folder / "photo.jpg"
        photo(source)
        print(f"{'12 MP JPEG to 1,024 px':<28}{'ours ms':>10}{'Pillow ms':>11}{'ratio':>8}")
        for target in ("webp", "jpeg"):
            figures: dict[str, list[float]] = {"ours": [], "peer": []}
            for _ in range(rounds + 1):  # the first warms up
                figures["ours"].append(milliseconds(ours, source, folder / f"ours.{target}", target))
                figures["peer"].append(milliseconds(pillows, source, folder / f"peer.{target}", target))
            mine, peer = (statistics.median(figures[who][1:]) for who in ("ours", "peer"))
            print(f"{target:<28}{mine:>10.1f}{peer:>11.1f}{peer / mine:>8.2f}")


if __name__ == "__main__":
    main()
