"""Finished jobs per minute as bars: plain SVG with attributes, which the strict policy of the site lets through."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from jobs.fleet import throughput

MINUTES = 60
#: [px] of a bar, of what lies between two, and of the highest.
BAR, GAP, HEIGHT = 8, 2, 72


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
    """The last hour; None where nothing ended in it."""
    bars = throughput.bars(MINUTES, now)
    most = max(bar.finished + bar.failed for bar in bars)
    if not most:
        return None
    return {
        "columns": [_column(number, bar, most) for number, bar in enumerate(bars)],
        "most": most,
        "finished": sum(bar.finished for bar in bars),
        "failed": sum(bar.failed for bar in bars),
        "width": MINUTES * (BAR + GAP) - GAP,
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
