"""A traceback as people read it: the frames of one's own code open, those of libraries folded."""

import re
from dataclasses import dataclass

_FRAME = re.compile(r'^\s*File "(?P<file>.+?)", line (?P<line>\d+)(?:, in (?P<name>.+))?$')
_NOT_OURS = re.compile(r"site-packages|dist-packages|/lib/python\d|<frozen |<string>|/jobs/worker/|/jobs/core/")


@dataclass
class Piece:
    """Frames that belong together, or the text between and after them."""

    text: str
    #: File and line of the last frame; "" for text.
    where: str = ""
    ours: bool = True
    frames: int = 0

    @property
    def label(self) -> str:
        return self.where if self.ours or self.frames == 1 else f"{self.frames} frames of libraries"


def pieces(traceback: str) -> list[Piece]:
    """The traceback in order; neighbouring frames of libraries are one piece."""
    found: list[Piece] = []
    in_frame = False
    for line in traceback.rstrip().splitlines():
        if frame := _FRAME.match(line):
            ours = not _NOT_OURS.search(frame["file"])
            where = f"{'/'.join(frame['file'].split('/')[-2:])}:{frame['line']} {frame['name'] or ''}".strip()
            if found and found[-1].frames and not ours and not found[-1].ours:
                found[-1] = Piece(f"{found[-1].text}\n{line}", where, False, found[-1].frames + 1)
            else:
                found.append(Piece(line, where, ours, 1))
            in_frame = True
        elif found and (not found[-1].frames or (in_frame and line.startswith("    "))):
            found[-1].text += f"\n{line}"
        else:
            found.append(Piece(line))
            in_frame = False
    return found
