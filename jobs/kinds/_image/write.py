"""Writing the finished picture."""

import errno
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jobs.kinds._image.sniff import LABELS
from jobs.kinds._image.steps import WITH_ALPHA, Work
from jobs.kinds._zip.reading import Unusable

#: Used where the form leaves the quality open.
QUALITY = {"jpeg": 82, "webp": 82, "avif": 60}
#: The longest side that a format can hold [px].
_LONGEST = {"webp": 16_383, "avif": 16_384, "jpeg": 65_500, "gif": 65_535}
#: The AV1 encoder takes about 20 bytes and a microsecond a pixel: more would take gigabytes and minutes.
_MOST_AVIF = 40_000_000
#: Optimal Huffman tables hold all coefficients in memory; above this many pixels they are not worth it.
_OPTIMIZE_UP_TO = 25_000_000


def write(work: Work, path: Path, progress: Callable[[float], None]) -> None:
    """Compute the image and write it to `path`.

    progress: called with the share done, 0 to 1; what it raises ends the writing and is raised again here.
    Raises Unusable where the format cannot hold the image.
    """
    import pyvips

    image = _fitting(work)
    raised: list[BaseException] = []
    told = -1

    def evaluating(_: Any, state: Any) -> None:
        nonlocal told
        if raised or state.percent <= told:
            return
        told = state.percent
        try:
            progress(state.percent / 100)
        except BaseException as error:  # libvips calls this from C, where an exception would be lost
            raised.append(error)
            image.set_kill(True)

    image.set_progress(True)
    image.signal_connect("eval", evaluating)
    try:
        getattr(image, f"{'heif' if work.target == 'avif' else work.target}save")(str(path), **_options(work))
    except pyvips.Error:
        if raised:
            raise raised[0] from None
        raise
    if raised:
        raise raised[0]


def _fitting(work: Work) -> Any:
    """The image as the target format can hold it."""
    image = work.image
    longest = _LONGEST.get(work.target)
    if longest and max(image.width, image.height) > longest:
        raise Unusable(
            f"{LABELS[work.target]} holds at most {longest:,} pixels a side; "
            f"the result has {image.width:,} × {image.height:,}."
        )
    if work.target == "avif" and image.width * image.height > _MOST_AVIF:
        raise Unusable(
            f"The result would have {image.width * image.height / 1e6:,.0f} megapixels: "
            f"AVIF is made of at most {_MOST_AVIF // 10**6}. Choose a smaller size or WebP."
        )
    if image.hasalpha() and work.target not in WITH_ALPHA:
        work.notes.append("Transparent parts became white.")
        image = image.flatten(background=[65535 if image.format == "ushort" else 255])
    image = image.copy()
    for name in ("jpeg-thumbnail-data", "gainmap-data"):  # both show the picture as it was before
        if name in image.get_fields():
            image.remove(name)
    return image


def _options(work: Work) -> dict[str, Any]:
    options: dict[str, Any] = {"keep": "all"}
    if work.params.get("strip"):
        # A profile that is not sRGB says what the numbers mean; without it the colours would change.
        options["keep"] = "icc" if work.params.get("profile") == "keep" else "none"
    if work.target in QUALITY:
        options["Q"] = int(work.params.get("quality") or QUALITY[work.target])
    match work.target:
        case "jpeg":
            options["optimize_coding"] = work.image.width * work.image.height <= _OPTIMIZE_UP_TO
        case "avif":
            options |= {"compression": "av1", "effort": 3}
        case "tiff":
            options |= {"compression": "deflate", "predictor": "horizontal"}
    return options


def reason(error: Exception) -> str:
    """What libvips' error means for the one who sent the file.

    Raises OSError where it was this machine that failed, not the file.
    """
    told = str(getattr(error, "detail", error))
    # Without the folders of this machine, in quotation marks or bare.
    told = re.sub(r"""(?<![^\s"'(])/[^\s"']*/""", "", re.sub(r'"/[^"]*/', '"', told))
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    text = "; ".join(dict.fromkeys(lines))[:300]
    if "No space left" in text or "write error" in text:
        raise OSError(errno.ENOSPC, f"The result could not be written: {text}") from error
    if "is not a known file format" in text:
        return "It cannot be read: its first bytes are those of an image, and what follows is none."
    return f"It is damaged or cut short ({text})." if text else "It is damaged or cut short."
