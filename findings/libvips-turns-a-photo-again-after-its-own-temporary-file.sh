#!/usr/bin/env bash
# libvips 8.18.7 (pyvips 3.2.0, pyvips-binary 8.18.7): a photo that was turned upright and then kept in a temporary file.
#
# autorot() turns the pixels and forgets the orientation, so that nothing turns them twice. The EXIF block stays with the
# picture, and still says 6; where the picture passes through a file of libvips' own (new_temp_file("%s.v"), the usual
# way to read it in any order, or twice), the block is parsed anew, and the orientation is back: thumbnail_image turns
# the upright picture once more, and a file saved from it tells viewers to.
#
# Seen (a photo of 60 x 40 with orientation 6, so 40 x 60 as shown):
#   upright: 40 x 60, orientation in it: False
#   kept in a .v file: 40 x 60, orientation in it: True
#   thumbnail of 30 x 30 of the upright one: 20 x 30
#   thumbnail of 30 x 30 of the kept one: 30 x 20
#   saved as JPEG, a viewer shows: 40 x 60
#   kept and saved as JPEG, a viewer shows: 60 x 40
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check "pyvips==3.2.0" "pyvips-binary==8.18.7" "pillow==13.0.0"
cat >ask.py <<'PYTHON'
import io

import pyvips
from PIL import Image, ImageOps

exif = Image.Exif()
exif[0x0112] = 6
file = io.BytesIO()
Image.new("RGB", (60, 40), "red").save(file, "JPEG", exif=exif)

def told(image):
    return f"{image.width} x {image.height}, orientation in it: {'orientation' in image.get_fields()}"

def shown(image):
    with Image.open(io.BytesIO(image.write_to_buffer(".jpg"))) as saved:
        return "{} x {}".format(*ImageOps.exif_transpose(saved).size)

upright = pyvips.Image.new_from_buffer(file.getvalue(), "").autorot()
kept = pyvips.Image.new_temp_file("%s.v")
upright.write(kept)
print("upright:", told(upright))
print("kept in a .v file:", told(kept))
for name, image in (("upright", upright), ("kept", kept)):
    small = image.thumbnail_image(30, height=30)
    print(f"thumbnail of 30 x 30 of the {name} one: {small.width} x {small.height}")
print("saved as JPEG, a viewer shows:", shown(upright))
print("kept and saved as JPEG, a viewer shows:", shown(kept))
PYTHON
venv/bin/python ask.py | tee seen.txt
cmp seen.txt - <<'SEEN'
upright: 40 x 60, orientation in it: False
kept in a .v file: 40 x 60, orientation in it: True
thumbnail of 30 x 30 of the upright one: 20 x 30
thumbnail of 30 x 30 of the kept one: 30 x 20
saved as JPEG, a viewer shows: 40 x 60
kept and saved as JPEG, a viewer shows: 60 x 40
SEEN
