"""Files of several frames, and files that only begin as images: what is told of them."""

import re
from pathlib import Path

import pytest

from jobs.core.errors import PermanentError
from tests.unit.contexts import RecordingContext
from tests.unit.images import made, process

CASES = Path(__file__).parent.parent / "cases"


@pytest.mark.parametrize(("name", "params", "size"), [
    ("i3-sequence.avif", {"resize": "fit", "width": 20}, (20, 15)),
    ("i3-sequence.avif", {"resize": "fit", "width": 20, "format": "png"}, (20, 15)),
    ("i4-animated.png", {"format": "jpeg"}, (40, 30)),
    ("i4-animated.png", {}, (40, 30)),
])  # fmt: skip
def test_the_first_frame_is_used_and_that_is_told(tmp_path, name, params, size):
    ctx = RecordingContext(tmp_path)
    result = process(ctx, {name: (CASES / name).read_bytes()}, **params)
    assert "Only the first of 2 frames was used." in result["images"][0]["notes"]
    assert made(ctx, result).size == size


def test_a_still_png_has_no_such_note(tmp_path):
    ctx = RecordingContext(tmp_path)
    result = process(ctx, {"i1.png": (CASES / "i1-orientation-3.png").read_bytes()})
    assert result["images"][0]["notes"] == []


@pytest.mark.parametrize("name", ["i3-empty-directory.tif"])
def test_what_only_begins_as_an_image_is_refused_without_the_servers_folders(tmp_path, name):
    with pytest.raises(PermanentError) as refused:
        process(RecordingContext(tmp_path), {name: (CASES / name).read_bytes()})
    assert "cannot be read" in str(refused.value)
    assert not re.search(r"/\w", str(refused.value)) and "damaged" not in str(refused.value)
