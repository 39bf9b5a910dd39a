"""Charts as SVG: bars, columns, lines, ranges. One accent, hairlines, every label readable; nothing else.

Drawn here rather than by a library: docs/decisions.md, "Charts". Sizes are points on paper.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from jobs.kinds._report import words

WIDTH = 482.0
ACCENT, GREY, INK, SOFT, HAIR = "#2f6090", "#b4bac2", "#1d2127", "#61656c", "#e1e3e6"
FONT = "Geist, 'Helvetica Neue', Arial, sans-serif"
SIZE = 7.5
#: More points than this are a line; so many columns could not be told apart.
MOST_COLUMNS = 62


@dataclass(frozen=True)
class Chart:
    """A picture with its title, and a sentence under it where one is needed."""

    title: str
    svg: str
    note: str = ""


def bars(items: Sequence[tuple[str, float]], *, muted: Sequence[str] = ()) -> str:
    """Horizontal bars, one per (label, value); those in `muted` are grey."""
    labels = [words.cut(label, 34) for label, _ in items]
    left = min(WIDTH * 0.36, max(_wide(label) for label in labels) + 8)
    right = max(_wide(words.short(value)) for _, value in items) + 8
    low, high = min(0.0, *(value for _, value in items)), max(0.0, *(value for _, value in items))
    scale = (WIDTH - left - right) / ((high - low) or 1)
    zero, row = left - low * scale, 15.0
    parts = []
    for at, ((name, value), label) in enumerate(zip(items, labels, strict=True)):
        middle = at * row + row / 2
        start, size = zero + min(0.0, value) * scale, max(0.6, abs(value) * scale)
        parts.append(_rect(start, middle - 4.5, size, 9, GREY if name in muted else ACCENT))
        parts.append(_text(left - 8, middle + 2.6, label, "end", INK))
        parts.append(_text(max(zero, start + size) + 5, middle + 2.6, words.short(value), "start", SOFT))
    parts.append(_line(zero, 0, zero, len(items) * row, GREY))
    return _svg(parts, len(items) * row)


def over_time(
    points: Sequence[tuple[str, float | None]], *, width: float = WIDTH, height: float = 132, peak: bool = True
) -> str:
    """A measure by time bucket, in order; None leaves a gap. Columns where they can be told apart, else a line."""
    values = [value for _, value in points if value is not None] or [0.0]
    frame = _Frame(min(0.0, *values), max(0.0, *values), width, height)
    step = frame.across / len(points)
    parts = frame.grid()
    if len(points) <= MOST_COLUMNS:
        for at, (_, value) in enumerate(points):
            if value is not None:
                top, bottom = sorted((frame.y(value), frame.y(0)))
                gap = min(2.5, step * 0.2)
                parts.append(_rect(frame.left + at * step + gap / 2, top, step - gap, bottom - top, ACCENT))
    else:
        parts.append(_path(points, frame, step))
    every = max(1, math.ceil(len(points) / max(2, int(frame.across // 64))))
    for at in range(0, len(points), every):
        x = frame.left + (at + 0.5) * step
        parts.append(
            _text(min(max(x, frame.left + 12), width - _wide(points[at][0]) / 2), height - 2, points[at][0], "middle")
        )
    if peak and len(points) > 2:
        at = next(at for at, (_, value) in enumerate(points) if value == max(values))
        text = f"{words.short(points[at][1])} · {points[at][0]}"
        half = _wide(text) / 2
        x = min(max(frame.left + (at + 0.5) * step, frame.left + half), width - half)
        y = frame.y(max(0.0, *values)) - 3.5  # above a column, also where it hangs from zero
        parts.append(_rect(x - half - 2, y - 6.5, 2 * half + 4, 8.5, "#fff"))
        parts.append(_text(x, y, text, "middle", INK))
    return _svg(parts, height, width)


def ranges(counts: Sequence[tuple[float, float, int]]) -> str:
    """A histogram: rows by (from, below, rows), ranges of equal width."""
    height = 112.0
    frame = _Frame(0.0, float(max(rows for *_, rows in counts)), WIDTH, height)
    low, high = counts[0][0], counts[-1][1]
    step = frame.across / len(counts)
    parts = frame.grid()
    for at, (*_, rows) in enumerate(counts):
        if rows:
            parts.append(
                _rect(frame.left + at * step + 0.4, frame.y(rows), step - 0.8, frame.y(0) - frame.y(rows), ACCENT)
            )
    scale = frame.across / (high - low)
    ticks = _ticks(low, high, 7)
    labels = words.ticks(ticks)
    every = math.ceil((max(map(_wide, labels)) + 6) / ((ticks[1] - ticks[0]) * scale))
    shown = [(tick, label) for tick, label in zip(ticks, labels, strict=True) if low <= tick <= high]
    for tick, label in shown[::every]:
        x = frame.left + (tick - low) * scale
        parts.append(_line(x, frame.y(0), x, frame.y(0) + 2.5, GREY))
        half = _wide(label) / 2
        parts.append(_text(min(max(x, half), WIDTH - half), height - 2, label, "middle"))
    return _svg(parts, height)


def multiples(series: Sequence[tuple[str, Sequence[tuple[str, float | None]]]]) -> str:
    """Small pictures of the same measure over the same time, one per group, on one scale; three in a row."""
    known = [value for _, points in series for _, value in points if value is not None]
    low, high = min([0.0, *known]), max([0.0, *known])
    gap, height = 18.0, 62.0
    width = (WIDTH - 2 * gap) / 3
    parts = []
    for at, (name, points) in enumerate(series):
        frame = _Frame(low, high, width, height, left=0.0, top=16.0, bottom=12.0)
        step = frame.across / max(1, len(points))
        inner = [
            _text(0, 8, words.cut(name, 24), "start", INK),
            _text(width, 8, words.short(max((value for _, value in points if value is not None), default=None)), "end"),
            _line(0, frame.y(0), width, frame.y(0), GREY),
            _path(points, frame, step),
        ]
        if points:
            inner += [_text(0, height - 1, points[0][0], "start"), _text(width, height - 1, points[-1][0], "end")]
        x, y = (at % 3) * (width + gap), (at // 3) * (height + 12)
        parts.append(f'<g transform="translate({x:.2f} {y:.2f})">{"".join(inner)}</g>')
    return _svg(parts, math.ceil(len(series) / 3) * (height + 12) - 12)


class _Frame:
    """The space that values are drawn in: hairlines at round values, their labels at the left."""

    def __init__(
        self, low: float, high: float, width: float, height: float, *,
        left: float | None = None, top: float = 12.0, bottom: float = 15.0,
    ):  # fmt: skip
        self.ticks = _ticks(low, high, 4)
        self.labels = words.ticks(self.ticks)
        self.low, self.high = (low, high) if left is not None else (self.ticks[0], self.ticks[-1])
        self.left = max(map(_wide, self.labels)) + 6 if left is None else left
        self.width, self.top, self.down = width, top, height - top - bottom
        self.across = width - self.left

    def y(self, value: float) -> float:
        return self.top + self.down * (1 - (value - self.low) / ((self.high - self.low) or 1))

    def grid(self) -> list[str]:
        parts = []
        for tick, label in zip(self.ticks, self.labels, strict=True):
            parts.append(_line(self.left, self.y(tick), self.width, self.y(tick), GREY if tick == 0 else HAIR))
            parts.append(_text(self.left - 6, self.y(tick) + 2.6, label, "end"))
        return parts


def _ticks(low: float, high: float, about: int) -> list[float]:
    """Round values from at or below low to at or above high."""
    span = (high - low) or abs(high) or 1.0
    raw = span / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * nice for nice in (1, 2, 2.5, 5, 10) if power * nice >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def _path(points: Sequence[tuple[str, float | None]], frame: _Frame, step: float) -> str:
    runs: list[list[tuple[float, float]]] = [[]]
    for at, (_, value) in enumerate(points):
        if value is None:
            runs.append([])
        else:
            runs[-1].append((frame.left + (at + 0.5) * step, frame.y(value)))
    drawn = []
    for run in filter(None, runs):
        way = " L".join(f"{x:.2f} {y:.2f}" for x, y in run)
        foot = frame.y(0)
        shape = f"M{run[0][0]:.2f} {foot:.2f} L{way} L{run[-1][0]:.2f} {foot:.2f} Z"
        drawn.append(f'<path d="{shape}" fill="{ACCENT}" fill-opacity="0.12"/>')
        drawn.append(f'<path d="M{way}" fill="none" stroke="{ACCENT}" stroke-width="1" stroke-linejoin="round"/>')
        if len(run) == 1:
            drawn.append(f'<circle cx="{run[0][0]:.2f}" cy="{run[0][1]:.2f}" r="1.2" fill="{ACCENT}"/>')
    return "".join(drawn)


def _svg(parts: Sequence[str], height: float, width: float = WIDTH) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.1f}" width="{width:.0f}" '
        f'height="{height:.1f}" font-family="{FONT}" font-size="{SIZE}">{"".join(parts)}</svg>'
    )


def _rect(x: float, y: float, width: float, height: float, colour: str) -> str:
    return (
        f'<rect x="{x:.2f}" y="{y:.2f}" width="{max(0.2, width):.2f}" height="{max(0.0, height):.2f}" fill="{colour}"/>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, colour: str) -> str:
    return f'<path d="M{x1:.2f} {y1:.2f} L{x2:.2f} {y2:.2f}" stroke="{colour}" stroke-width="0.5"/>'


def _text(x: float, y: float, text: str, anchor: str, colour: str = SOFT) -> str:
    return f'<text x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}" fill="{colour}">{escape(_printable(text))}</text>'


def _printable(text: str) -> str:
    """XML has no place for control characters."""
    return "".join(mark if mark.isprintable() else " " for mark in text)


def _wide(text: str) -> float:
    """About how wide a text is: [points] at SIZE."""
    return SIZE * sum(1.0 if ord(mark) > 0x2E80 else _WIDTHS.get(mark, 0.62) for mark in text)


#: Widths of the marks that differ most from the usual one [em].
_WIDTHS = dict.fromkeys("ijlt.,:'|! ", 0.3) | dict.fromkeys("mwMW@%", 0.9)
