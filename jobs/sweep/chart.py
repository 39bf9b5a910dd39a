"""The figures as pictures: bars in a terminal, lines in an SVG file."""

import math
from collections.abc import Callable, Sequence
from xml.sax.saxutils import escape

from jobs.sweep.runs import WORKS, Run

COLOURS = {"eventlet": "#2f6090", "gevent": "#4a8f5c", "threads": "#b0762b", "prefork": "#8a4f8f"}
INK, SOFT, HAIR = "#1d2127", "#61656c", "#e1e3e6"
WIDTH, HEIGHT, LEFT, TOP = 300.0, 170.0, 52.0, 34.0
#: What each column of pictures shows: its title, and the value of a run's work.
MEASURES: dict[str, Callable[[Run, str], float]] = {
    "tasks per second": lambda run, work: _figure(run, work, "rate"),
    "95 of 100 end within [ms]": lambda run, work: _figure(run, work, "p95"),
    "memory of the worker [MB]": lambda run, work: run.memory,
}


def _figure(run: Run, work: str, what: str) -> float:
    found = (run.figures or {}).get(work)
    if found is None:
        return math.nan
    return found.rate if what == "rate" else found.percentile(95)


def bars(runs: Sequence[Run], width: int = 40) -> str:
    """Tasks per second of every run, work by work, for a terminal."""
    lines = []
    for work in WORKS:
        rates = [_figure(run, work, "rate") for run in runs]
        most = max((rate for rate in rates if not math.isnan(rate)), default=0.0) or 1.0
        lines.append(f"{work}: tasks/s")
        for run, rate in zip(runs, rates, strict=True):
            known = 0.0 if math.isnan(rate) else rate
            lines.append(
                f"  {run.pool:9}{run.concurrency:6,} {'█' * round(known / most * width):{width}} {known:7,.0f}"
            )
    return "\n".join(lines)


def svg(runs: Sequence[Run], notes: dict[str, str]) -> str:
    """A row of pictures for each work, a column for each measure, a line for each pool. notes: a line for each work."""
    parts = []
    for row, work in enumerate(WORKS):
        y = row * (HEIGHT + 84) + 50
        parts.append(_text(16, y - 12, f"{work}: {notes[work]}", INK, bold=True))
        for column, (title, value) in enumerate(MEASURES.items()):
            points = {
                pool: [(run.concurrency, value(run, work)) for run in runs if run.pool == pool]
                for pool in dict.fromkeys(run.pool for run in runs)
            }
            parts += _picture(16 + column * (WIDTH + LEFT + 24), y, title, points)
    parts += _legend(list(dict.fromkeys(run.pool for run in runs)))
    across, down = 16 + 3 * (WIDTH + LEFT + 24), len(WORKS) * (HEIGHT + 84) + 40
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {across:g} {down:g}" width="{across:g}" '
        f'height="{down:g}" font-family="Geist, Helvetica, Arial, sans-serif" font-size="11">\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _legend(pools: Sequence[str]) -> list[str]:
    parts = []
    for at, pool in enumerate(pools):
        parts.append(f'<circle cx="{22 + at * 90}" cy="16" r="4" fill="{COLOURS[pool]}"/>')
        parts.append(_text(31 + at * 90, 20, pool, INK))
    return parts


def _picture(x: float, y: float, title: str, points: dict[str, list[tuple[int, float]]]) -> list[str]:
    """Lines over the concurrency, which is drawn logarithmically."""
    known = [(at, value) for line in points.values() for at, value in line if not math.isnan(value)]
    if not known:
        return []
    low, high = math.log(min(at for at, _ in known)), math.log(max(at for at, _ in known))
    top = _round_up(max(value for _, value in known))

    def place(at: float, value: float) -> tuple[float, float]:
        share = (math.log(at) - low) / (high - low) if high > low else 0.5
        return x + LEFT + share * (WIDTH - 12), y + TOP + HEIGHT * (1 - value / top)

    parts = [_text(x, y + 14, title, SOFT)]
    for step in range(5):
        value = top * step / 4
        level = place(math.exp(low), value)[1]
        parts.append(f'<path d="M{x + LEFT:.1f} {level:.1f}h{WIDTH - 12:.1f}" stroke="{HAIR}"/>')
        parts.append(_text(x + LEFT - 8, level + 4, f"{value:,.0f}", SOFT, anchor="end"))
    for at in sorted({at for at, _ in known}):
        parts.append(_text(place(at, 0)[0], y + TOP + HEIGHT + 16, f"{at:,}", SOFT, anchor="middle"))
    for pool, line in points.items():
        places = [place(at, value) for at, value in line if not math.isnan(value)]
        path = " ".join(f"{across:.1f},{down:.1f}" for across, down in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[pool]}" stroke-width="1.6"/>')
        parts += [f'<circle cx="{a:.1f}" cy="{d:.1f}" r="2.6" fill="{COLOURS[pool]}"/>' for a, d in places]
    return parts


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 8 times a power of ten."""
    power = 10 ** math.floor(math.log10(value)) if value > 0 else 1
    return float(next(step * power for step in (1, 2, 4, 8, 10) if step * power >= value))


def _text(x: float, y: float, text: str, colour: str, *, anchor: str = "start", bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}"{weight}>{escape(text)}</text>'
