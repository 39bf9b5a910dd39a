"""The steps from a file to a finished picture, each a function from image to image, with libvips.

libvips computes only what the writer asks for, strip by strip: a step here costs nothing until then, and
an image is never in memory as a whole unless a step needs all of it (rotation).
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jobs.kinds._image import sequences
from jobs.kinds._image.limits import check_made, check_taken
from jobs.kinds._image.sizes import Size
from jobs.kinds._zip.reading import Unusable

_ENDLESS = 10_000_000  # libvips' largest coordinate, for a side that is not limited
_ORIENTATION, _XMP = "orientation", "xmp-data"
#: As an attribute or an element of its own; after it comes the number.
_XMP_ORIENTATION = re.compile(rb"""(tiff:Orientation(?:\s*=\s*["']|>\s*))[2-8]""")
_EDGE = 0.15  # of a letter's height: distance of the watermark from the border
_ACROSS = {"left": 0.0, "center": 0.5, "right": 1.0}
_DOWN = {"top": 0.0, "middle": 0.5, "bottom": 1.0}

WITH_ALPHA = ("png", "webp", "avif", "gif", "tiff")
DEEP = ("png", "tiff")  # keep 16 bits a channel


@dataclass
class Work:
    """One image on its way: the picture so far, and what people should know about it."""

    path: Path
    #: What the form's fields say.
    params: dict[str, Any]
    #: Format to be written: a key of sniff.LABELS.
    target: str
    folder: Path
    #: The sizes that become of it.
    sizes: list[Size]
    image: Any = None
    notes: list[str] = field(default_factory=list)
    #: Whether it was decoded for several sizes: the image can be read in any order, and again.
    shared: bool = False
    #: Whether it keeps 16 bits a channel. libvips' thumbnail would make 8 of them.
    deep: bool = False

    @property
    def size(self) -> Size:
        """The one that is made now."""
        return self.sizes[0]

    @property
    def turn(self) -> float:
        """Degrees clockwise, from 0 to below 360."""
        return float(self.params.get("rotate") or 0) % 360

    @property
    def only_shrinks(self) -> bool:
        """Whether nothing before resizing asks for the original's pixels."""
        asks = self.deep or self.params.get("crop_width") or self.turn % 90
        return bool(self.params.get("resize")) and not asks

    @property
    def shrinks_on_load(self) -> bool:
        """Whether the size is made while decoding, which for JPEG and WebP saves most of the work."""
        return self.only_shrinks and not self.shared

    def at(self, size: Size) -> "Work":
        """What goes on from here in one of its sizes."""
        return replace(self, sizes=[size], notes=list(self.notes))


Steps = list[tuple[str, Callable[[Work], None]]]


def plan(params: dict[str, Any]) -> tuple[Steps, Steps]:
    """The steps that the parameters ask for, in their order, each with the name that progress shows.

    Those of the image first, then those of each of its sizes.
    """
    once: list[tuple[str, Callable[[Work], None], bool]] = [
        ("read", read, True),
        ("crop", crop, bool(params.get("crop_width"))),
        ("rotate", rotate, float(params.get("rotate") or 0) % 360 != 0),
        ("flip", flip, bool(params.get("flip"))),
    ]
    each: list[tuple[str, Callable[[Work], None], bool]] = [
        ("resize", resize, bool(params.get("resize"))),
        ("colours", colours, True),
        ("grayscale", grayscale, bool(params.get("grayscale"))),
        ("blur", blur, bool(params.get("blur"))),
        ("sharpen", sharpen, bool(params.get("sharpen"))),
        ("watermark", watermark, bool(params.get("watermark"))),
    ]
    return _wanted(once), _wanted(each)


def _wanted(steps: list[tuple[str, Callable[[Work], None], bool]]) -> Steps:
    return [(name, step) for name, step, wanted in steps if wanted]


def read(work: Work) -> None:
    """Open the file upright (EXIF orientation applied), already in the size asked for where that is cheaper."""
    import pyvips

    head = sequences.head_of(work.path)
    if sequences.is_sequence(head):
        work.path = sequences.picture_of(work.path, work.folder)
    path = str(work.path)
    header = pyvips.Image.new_from_file(path, access="sequential")
    check_taken(header)
    work.deep = header.format == "ushort" and work.target in DEEP
    if pages := _more_pages(header) or sequences.frames(head):
        work.notes.append(f"Only the first of {pages} frames was used.")
    if len(work.sizes) > 1:
        work.image = _read_for_several(work, header)
    elif work.shrinks_on_load:
        width, height, options = _box(work, swapped=work.turn % 180 == 90)
        check_made(*_outcome(*_sides_as_shown(header, work), work))
        work.image = pyvips.Image.thumbnail(path, width, height=height, fail_on="error", **options)
    else:
        work.image = _read_whole(work, header)
    work.image = _told_upright(work.image)


def _read_whole(work: Work, header: Any) -> Any:
    import pyvips

    upright = int(header.get("orientation")) in (1, 2) if "orientation" in header.get_fields() else True
    needs_all = not upright or work.turn or work.params.get("flip") in ("vertical", "both")
    access = "random" if needs_all else "sequential"
    return pyvips.Image.new_from_file(str(work.path), access=access, fail_on="error").autorot()


def _read_for_several(work: Work, header: Any) -> Any:
    """Decoded once for all sizes, and with no more pixels than twice what the largest needs.

    Twice, as libvips keeps it where it shrinks on load: to shrink by less a second time would be seen.
    """
    import pyvips

    work.shared = True
    sides = _sides_as_shown(header, work)
    scale = 2 * max(_scale(*sides, size, work.params) for size in work.sizes) if work.only_shrinks else 1.0
    if scale < 1:
        width, height = (math.ceil(side * scale) for side in (sides[::-1] if work.turn % 180 == 90 else sides))
        return _held(pyvips.Image.thumbnail(str(work.path), width, height=height, fail_on="error", size="down"))
    image = pyvips.Image.new_from_file(str(work.path), access="sequential", fail_on="error")
    return _computed(image).autorot()


def crop(work: Work) -> None:
    p, image = work.params, work.image
    left, top, width, height = p.get("crop_x") or 0, p.get("crop_y") or 0, p["crop_width"], p["crop_height"]
    if left + width > image.width or top + height > image.height:
        raise Unusable(
            f"The crop of {width} × {height} at {left}, {top} reaches outside of the image, "
            f"which is {image.width} × {image.height}."
        )
    work.image = image.crop(left, top, width, height)


def rotate(work: Work) -> None:
    """Clockwise. Corners that come free at other angles are transparent where the format can be, else white."""
    image, turn = work.image, work.turn
    if turn % 90 == 0:
        work.image = _whole(work).rot(f"d{turn:.0f}")
        return
    _srgb(work)
    image = work.image
    if work.target in WITH_ALPHA:
        image = image if image.hasalpha() else image.addalpha()
        solid = image.premultiply().rotate(turn, background=[0] * image.bands)
        work.image = solid.unpremultiply().cast(image.format)
    else:
        image = image.flatten(background=_white(image)) if image.hasalpha() else image
        work.image = image.rotate(turn, background=_white(image))
    check_made(work.image.width, work.image.height)
    # Computed here once: to shrink a slanted image strip by strip, libvips would compute most of it again and again.
    work.image = _held(work.image)


def flip(work: Work) -> None:
    way = work.params["flip"]
    image = work.image if way == "horizontal" else _whole(work).flipver()
    work.image = image if way == "vertical" else image.fliphor()


def resize(work: Work) -> None:
    """To the size asked for; `read` may have done it already."""
    if not work.shrinks_on_load:
        check_made(*_outcome(work.image.width, work.image.height, work))
        work.image = _resized(work)
    if work.params["resize"] == "fit" and not work.params.get("enlarge"):
        made = (work.image.width, work.image.height)
        if made[0] < (work.size.width or 0) and made[1] < (work.size.height or _ENDLESS):
            work.notes.append(f"Smaller than asked for, and not enlarged: {made[0]} × {made[1]}.")


def _resized(work: Work) -> Any:
    image = work.image
    if not work.deep:
        width, height, options = _box(work)
        return image.thumbnail_image(width, height=height, **options)
    sides = _outcome(image.width, image.height, work)
    across, down = sides[0] / image.width, sides[1] / image.height
    fills = work.params["resize"] == "fill"
    if fills:
        across = down = max(across, down)
    if image.hasalpha():  # so that the hidden colour of transparent pixels does not bleed
        image = image.premultiply().resize(across, vscale=down).unpremultiply().cast(image.format)
    else:
        image = image.resize(across, vscale=down)
    return image.smartcrop(*sides, interesting="centre") if fills else image


def colours(work: Work) -> None:
    """To sRGB; or, where the file's own profile is to be kept, only what the target format cannot hold."""
    if work.params.get("profile") == "keep" and work.image.interpretation != "cmyk":
        if work.target not in DEEP and work.image.format != "uchar":
            work.image = work.image.colourspace("b-w" if work.image.bands < 3 else "srgb")
        return
    _srgb(work)


def grayscale(work: Work) -> None:
    work.image = work.image.colourspace("grey16" if work.image.format == "ushort" else "b-w")
    if "icc-profile-data" in work.image.get_fields():
        work.image = _without(work.image, "icc-profile-data")  # a profile of three colours fits one no more


def blur(work: Work) -> None:
    image, sigma = work.image, float(work.params["blur"])
    if not image.hasalpha():
        work.image = image.gaussblur(sigma)
    else:  # so that the hidden colour of transparent pixels does not bleed
        work.image = image.premultiply().gaussblur(sigma).unpremultiply().cast(image.format)


def sharpen(work: Work) -> None:
    space = work.image.interpretation
    work.image = work.image.sharpen(sigma=1.0, m2=float(work.params["sharpen"])).colourspace(space)


def watermark(work: Work) -> None:
    """White letters with a dark shadow, readable on light and on dark; size in percent of the shorter side."""
    p, image = work.params, work.image
    height = max(8, round(min(image.width, image.height) * float(p["watermark_size"]) / 100))
    letters = _letters(str(p["watermark"]), height, image.width)
    shadow = max(1, height // 20)
    edge = round(height * _EDGE)
    down, across = str(p["watermark_position"]).split("-")
    left = edge + max(0, image.width - 2 * edge - letters.width) * _ACROSS[across]
    top = edge + max(0, image.height - 2 * edge - letters.height) * _DOWN[down]
    opacity = float(p["watermark_opacity"]) / 100
    for offset, level in ((shadow, 0.0), (0, 1.0)):
        mask = letters.embed(round(left) + offset, round(top) + offset, image.width, image.height)
        full = 65535 if image.format == "ushort" else 255
        colour = [full * level] * (image.bands - image.hasalpha()) + [full] * image.hasalpha()
        image = (mask * opacity).cast("uchar").ifthenelse(image.new_from_image(colour), image, blend=True)
    work.image = image.copy(interpretation=work.image.interpretation)


def _letters(text: str, height: int, width: int) -> Any:
    """The text as a mask, at most `width` wide [px]. The font is ours: a server may have none."""
    import pyvips

    font = str(Path(__file__).parent / "fonts" / "DejaVuSans-Bold.ttf")
    escaped = text.replace("&", "&amp;").replace("<", "&lt;")  # libvips reads it as markup
    letters = pyvips.Image.text(escaped, font=f"DejaVu Sans Bold {height}", dpi=72, fontfile=font)
    room = width * 0.96
    return letters.resize(room / letters.width) if letters.width > room else letters


def _srgb(work: Work) -> None:
    import pyvips

    image = work.image
    depth = 16 if image.format == "ushort" and work.target in DEEP else 8
    cmyk = image.interpretation == "cmyk"
    if cmyk or "icc-profile-data" in image.get_fields():
        try:
            image = image.icc_transform(
                "srgb",
                embedded=True,
                input_profile="cmyk" if cmyk else "srgb",
                depth=depth,
                black_point_compensation=True,
            )
        except pyvips.Error:
            work.notes.append("Its colour profile cannot be read; taken as sRGB.")
            image = _without(image, "icc-profile-data")
    gray = image.bands < 3
    wanted = ("grey16" if gray else "rgb16") if depth == 16 else ("b-w" if gray else "srgb")
    work.image = image if image.interpretation == wanted else image.colourspace(wanted)


def _without(image: Any, name: str) -> Any:
    image = image.copy()
    image.remove(name)
    return image


def _white(image: Any) -> list[int]:
    return [65535 if image.format == "ushort" else 255] * (image.bands - image.hasalpha())


def _whole(work: Work) -> Any:
    """The image so that it can be read in any order: after shrinking on load it comes only from top to bottom."""
    return _held(work.image) if work.shrinks_on_load else work.image


def _held(image: Any) -> Any:
    """An upright image computed, into a temporary file that goes with it."""
    return _told_upright(_computed(image))


def _computed(image: Any) -> Any:
    import pyvips

    held = pyvips.Image.new_temp_file("%s.v")
    image.write(held)
    return held


def _told_upright(image: Any) -> Any:
    """An upright image, of which nothing says otherwise.

    libvips turns a picture and forgets its orientation, but finds it anew in the EXIF of the temporary file that the
    picture is kept in: it would turn it once more, or leave that to viewers. XMP may have it too.
    """
    import pyvips

    image = image.copy()
    for name in (_ORIENTATION, f"exif-ifd0-{_ORIENTATION.capitalize()}"):
        if name in image.get_fields():
            image.remove(name)
    if _XMP in image.get_fields():
        told = image.get(_XMP)
        upright = _XMP_ORIENTATION.sub(rb"\g<1>1", told)
        if upright != told:
            image.set_type(pyvips.GValue.blob_type, _XMP, upright)
    return image


def _box(work: Work, swapped: bool = False) -> tuple[int, int, dict[str, Any]]:
    """What libvips' thumbnail takes: width, height, options."""
    width, height = work.size.width or _ENDLESS, work.size.height or _ENDLESS
    if swapped:
        width, height = height, width
    match work.params["resize"]:
        case "fill":
            return width, height, {"size": "both", "crop": "centre"}
        case "exact":
            return width, height, {"size": "force"}
    return width, height, {"size": "both" if work.params.get("enlarge") else "down"}


def _scale(width: int, height: int, size: Size, params: dict[str, Any]) -> float:
    """By how much an image is made smaller (or larger) for a size; of two scales the one that needs more pixels."""
    scales = ((size.width or _ENDLESS) / width, (size.height or _ENDLESS) / height)
    return min(scales) if params["resize"] == "fit" else max(scales)


def _outcome(width: int, height: int, work: Work) -> tuple[float, float]:
    """The size that resizing will give, nearly: checked before libvips is asked to make it."""
    if work.params["resize"] != "fit":
        return work.size.width or _ENDLESS, work.size.height or _ENDLESS
    scale = _scale(width, height, work.size, work.params)
    scale = scale if work.params.get("enlarge") else min(scale, 1.0)
    return width * scale, height * scale


def _sides_as_shown(header: Any, work: Work) -> tuple[int, int]:
    """Width and height once the image is upright and turned."""
    lies = "orientation" in header.get_fields() and int(header.get("orientation")) >= 5
    sides = (header.width, header.height)
    return sides[::-1] if lies != (work.turn % 180 == 90) else sides


def _more_pages(image: Any) -> int:
    """The number of frames or pages, 0 where there is but one."""
    pages = int(image.get("n-pages")) if "n-pages" in image.get_fields() else 1
    return pages if pages > 1 else 0
