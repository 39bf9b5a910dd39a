"""The last hour as charts: plain SVG with attributes, which the strict policy of the site lets through.

Each is stretched to its place, so that text stands beside it, never in it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from math import log
from typing import Any

from django.utils import timezone

from jobs.fleet import throughput
from jobs.fleet.timings import Course, Spread, course
from jobs.web import words

MINUTES = 60
#: [px] of a bar, of what lies between two, and of the highest.
BAR, GAP, HEIGHT = 8, 2, 72
WIDTH = MINUTES * (BAR + GAP) - GAP
#: [s] The lines of the scale of durations: as far from each other, each about ten times the one below.
MARKS = {
    0.1: "0.1 s", 1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3_600: "1 h", 36_000: "10 h", 360_000: "100 h",
}  # fmt: skip


@dataclass(frozen=True)
class Column:
    """One minute: failures stand on the line, red; what ended otherwise stands on them."""

    x: int
    finished: int
    failed: int
    finished_height: float
    failed_height: float
    text: str
    #: The minute is not over, so its bar is drawn as an outline.
    is_open: bool

    @property
    def failed_y(self) -> float:
        return HEIGHT - self.failed_height

    @property
    def finished_y(self) -> float:
        return self.failed_y - self.finished_height


def per_minute(now: datetime | None = None) -> dict[str, Any] | None:
    """What ended in the last hour, as bars; None where nothing did."""
    bars = throughput.bars(MINUTES, now)
    most = max(bar.finished + bar.failed for bar in bars)
    if not most:
        return None
    return {
        "columns": [_column(number, bar, most) for number, bar in enumerate(bars)],
        "most": most,
        "finished": sum(bar.finished for bar in bars),
        "failed": sum(bar.failed for bar in bars),
        "width": WIDTH,
        "height": HEIGHT,
        "bar": BAR,
        "since": bars[0].start,
        "until": bars[-1].start + timedelta(minutes=1),
    }


def _column(number: int, bar: throughput.Bar, most: int) -> Column:
    failed = f", {bar.failed:,} failed" if bar.failed else ""
    return Column(
        x=number * (BAR + GAP),
        finished=bar.finished,
        failed=bar.failed,
        finished_height=_height(bar.finished, most),
        failed_height=_height(bar.failed, most),
        text=f"{timezone.localtime(bar.start):%H:%M}: {bar.finished + bar.failed:,} ended{failed}",
        is_open=bar.is_open,
    )


def _height(count: int, most: int) -> float:
    """[px]; what is not nothing can be seen."""
    return max(1.5, round(HEIGHT * count / most, 1)) if count else 0.0


def durations(measure: str, now: datetime | None = None) -> dict[str, Any] | None:
    """The last hour of "wait" or "run", as two lines on a scale of MARKS; None where nothing was measured."""
    now = now or timezone.now()
    found = course(measure, MINUTES, now)
    if found is None:
        return None
    marks = _marks(found)
    since = now.replace(second=0, microsecond=0) - timedelta(minutes=MINUTES - 1)
    return {
        "measure": measure,
        "marks": [MARKS[mark] for mark in reversed(marks)],
        "grid": [_y(mark, marks) for mark in marks],
        "half": _line(found, marks, lambda spread: spread.half),
        "most": _line(found, marks, lambda spread: spread.most),
        "columns": [
            {"x": number * (BAR + GAP), "text": _told(since + timedelta(minutes=number), spread)}
            for number, spread in enumerate(found.minutes) if spread
        ],
        "half_of_all": _word(found.overall.half),
        "most_of_all": _word(found.overall.most),
        "width": WIDTH,
        "height": HEIGHT,
        "bar": BAR + GAP,
        "since": since,
        "until": since + timedelta(minutes=MINUTES),
    }  # fmt: skip


def _told(minute: datetime, spread: Spread) -> str:
    at = timezone.localtime(minute)
    return f"{at:%H:%M}: half within {_word(spread.half)}, 95% within {_word(spread.most)}"


def _word(seconds: float) -> str:
    """No finer than the scale."""
    return words.duration(max(seconds, min(MARKS)))


def _marks(found: Course) -> list[float]:
    """The part of the scale that holds every value, two lines at the least."""
    values = [value for spread in found.minutes if spread for value in (spread.half, spread.most)]
    scale = list(MARKS)
    first = max([at for at, mark in enumerate(scale[:-1]) if mark <= min(values)], default=0)
    last = min([at for at, mark in enumerate(scale) if mark >= max(values) and at > first], default=len(scale) - 1)
    return scale[first : last + 1]


def _y(seconds: float, marks: list[float]) -> float:
    """[px] from the top. Between two lines by the logarithm; beyond the scale on its edge."""
    held = min(max(seconds, marks[0]), marks[-1])
    below = max(at for at, mark in enumerate(marks[:-1]) if mark <= held)
    part = log(held / marks[below]) / log(marks[below + 1] / marks[below])
    return round(HEIGHT * (1 - (below + part) / (len(marks) - 1)), 1)


def _line(found: Course, marks: list[float], value: Callable[[Spread], float]) -> dict[str, str]:
    """Paths: "closed", with gaps where nothing was counted; "dots", minutes that stand alone; "open", into the last."""
    points = [
        (number * (BAR + GAP) + BAR // 2, _y(value(spread), marks)) if spread else None
        for number, spread in enumerate(found.minutes)
    ]
    runs = [[point for point in run if point] for is_there, run in groupby(points[:-1], bool) if is_there]
    before, last = points[-2:]
    start = before or last
    return {
        "closed": "".join("M" + "L".join(f"{x} {y}" for x, y in run) for run in runs if len(run) > 1),
        # A line of no length, which its round ends make a dot.
        "dots": "".join(f"M{run[0][0]} {run[0][1]}h0" for run in runs if len(run) == 1),
        "open": f"M{start[0]} {start[1]}L{last[0]} {last[1]}" if start and last else "",
    }
