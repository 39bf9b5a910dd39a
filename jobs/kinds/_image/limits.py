"""Which images are taken, and how large they and their results may be."""

from typing import Any

from jobs.kinds._zip.reading import Unusable

#: Pixels of an image, read or made. At four bytes each, what one job may hold in memory follows from it.
MAX_PIXELS = 100_000_000


def check_taken(image: Any) -> None:
    """Raises Unusable where an image, of which only the header is read, has too many pixels or is no picture."""
    pixels = image.width * image.height
    if pixels > MAX_PIXELS:
        raise Unusable(
            f"It has {image.width:,} × {image.height:,} = {pixels / 1e6:,.0f} megapixels: "
            f"at most {MAX_PIXELS // 10**6} are taken."
        )
    colours = {"b-w": 1, "grey16": 1, "cmyk": 4}.get(image.interpretation, 3)
    if image.bands > colours + 1:
        raise Unusable(
            f"Its {image.bands} channels are not those of a picture: "
            "grey, RGB or CMYK are taken, with transparency or without."
        )
    if image.interpretation == "scrgb":
        _check_light(image)
    elif image.format not in ("uchar", "ushort") and image.interpretation not in ("lab", "labs"):
        raise Unusable("It does not say which of its values are black and white: save it with 8 or 16 bits a channel.")


def _check_light(image: Any) -> None:
    """Floating-point colours: some are brighter than white where light was measured, but hardly most of them."""
    if (image > 1).avg() > 255 / 2:
        raise Unusable(
            "Most of it is brighter than white, which is 1 in floating-point images: "
            "save it with 8 or 16 bits a channel."
        )


def check_made(width: float, height: float) -> None:
    """Raises Unusable where a result would have too many pixels."""
    if width * height > MAX_PIXELS:
        raise Unusable(
            f"The result would have {width * height / 1e6:,.0f} megapixels: at most {MAX_PIXELS // 10**6} are made."
        )
