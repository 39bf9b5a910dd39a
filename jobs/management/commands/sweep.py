"""`manage.py sweep`: which pool, and how many at a time, is best on this machine."""

import os
import tempfile
import time
from argparse import ArgumentTypeError
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

#: Characters of the progress bar.
BAR = 24


def listed(known: tuple[str, ...]) -> Callable[[str], list[str]]:
    def parse(raw: str) -> list[str]:
        names = [name.strip() for name in raw.split(",") if name.strip()]
        if not names or (unknown := [name for name in names if name not in known]):
            raise ArgumentTypeError(f"{', '.join(unknown) or 'nothing'}: must be among {', '.join(known)}")
        return names

    return parse


def numbers(raw: str) -> list[int]:
    try:
        found = [int(part) for part in raw.split(",")]
    except ValueError:
        found = []
    if not found or not all(1 <= number <= 5000 for number in found):
        raise ArgumentTypeError(f"{raw!r} must be whole numbers from 1 to 5000, with commas between")
    return found


def some_seconds(raw: str) -> float:
    try:
        value = float(raw)
    except ValueError:
        value = 0.0
    if not 0.5 <= value <= 600:
        raise ArgumentTypeError(f"{raw!r} must be seconds from 0.5 to 600")
    return value


def milliseconds(raw: str) -> int:
    if not raw.isdecimal() or not 0 <= int(raw) <= 10_000:
        raise ArgumentTypeError(f"{raw!r} must be milliseconds from 0 to 10000")
    return int(raw)


class Command(BaseCommand):
    help = (
        "Run the same work (waiting, computing, nothing) over pools and concurrencies; show rate, latency and memory. "
        "It uses a Redis and workers of its own; a running site is left alone, but shares the processor."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        from jobs.sweep.runs import CONCURRENCIES, POOLS

        parser.add_argument("--pools", type=listed(POOLS), default=list(POOLS), help="with commas between")
        parser.add_argument("--concurrency", type=numbers, default=list(CONCURRENCIES), help="with commas between")
        parser.add_argument("--seconds", type=some_seconds, default=2.5, help="that each work is measured")
        parser.add_argument("--latency", type=milliseconds, default=200, help="[ms] until the feed server answers")
        parser.add_argument("--output", type=Path, default=Path("sweep.svg"), help="the SVG file to draw into")

    def handle(
        self, *args: Any, pools: list[str], concurrency: list[int], seconds: float, latency: int, output: Path,
        **options: Any,
    ) -> None:  # fmt: skip
        from jobs.supervisor.redis import NoRedis
        from jobs.sweep import chart, runs
        from jobs.sweep.stand import CannotMeasure, Stand

        if not output.parent.is_dir() or output.suffix != ".svg":
            raise CommandError(f"--output {output}: must be a file ending in .svg, in a folder that exists")
        for pool in pools:
            if not runs.installed(pool):
                self.stderr.write(f"{pool} is left out: it is not installed (pip install {pool})")
        planned = runs.plan(pools, concurrency)
        if not planned:
            raise CommandError(f"nothing to measure: prefork is tried up to {runs.PREFORK_MOST} at a time")
        self._begin(len(planned))
        done: list[runs.Run] = []
        try:
            with (
                tempfile.TemporaryDirectory(prefix="jobsite-sweep-") as folder,
                Stand(Path(folder), latency / 1e3) as stand,
            ):
                for run in planned:
                    tell = partial(self._tell, len(done), f"{run.pool}, {run.concurrency:,} at a time")
                    done.append(runs.measure(run, stand, seconds, tell))
                    self._prove(done[-1])
        except (CannotMeasure, NoRedis) as error:
            raise CommandError(str(error)) from error
        notes = {work: text.format(latency=latency, rounds=runs.ROUNDS) for work, text in runs.WORKS.items()}
        output.write_text(chart.svg(done, notes))
        self._clear()
        for text in (runs.table(done), chart.bars(done), runs.verdict(done), f"drawn into {output}"):
            self.stdout.write(f"\n{text}")

    def _begin(self, total: int) -> None:
        self._total, self._begun = total, time.monotonic()
        load = f", load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
        self.stdout.write(f"{total} workers, one after the other, on {os.cpu_count()} cores{load}")

    def _tell(self, done: int, name: str, step: str) -> None:
        """The progress bar, where somebody sees it."""
        if not self.stderr.isatty():
            return
        share = done / self._total
        left = ""
        if done:
            seconds = (time.monotonic() - self._begun) / done * (self._total - done)
            left = f"about {seconds // 60:.0f} min {seconds % 60:02.0f} s left"
        bar = f"{'█' * round(share * BAR):░<{BAR}}"
        self.stderr.write(f"\r\x1b[K{bar} {done}/{self._total}  {name}: {step}  {left}", ending="")
        self.stderr.flush()

    def _clear(self) -> None:
        if self.stderr.isatty():
            self.stderr.write("\r\x1b[K", ending="")
            self.stderr.flush()

    def _prove(self, run: Any) -> None:
        """What the worker itself says that its pool is."""
        self._clear()
        self.stdout.write(f"{run.pool:9} {run.concurrency:5,}  inspect stats: {run.implementation}")
