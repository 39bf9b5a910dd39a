"""Following a job in a terminal: one line that fills in place, or plain lines where there is no terminal."""

import json
import shutil
from time import monotonic, sleep
from typing import Any

from django.core.management.base import OutputWrapper

from jobs.browse.detail import result_of
from jobs.browse.live import Live, Progress, overlay
from jobs.models import Job
from jobs.web import words

#: [s] between looks.
_EVERY = 0.25
#: [s] given to the keeper to record an end that Redis knows.
_RECORDED_WITHIN = 10.0
_BAR = 24


def follow(job: Job, out: OutputWrapper, err: OutputWrapper, timeout: float | None = None) -> str | None:
    """Show the job on `err` until it is final, then its result on `out`; the final state, None after `timeout` [s]."""
    deadline = None if timeout is None else monotonic() + timeout
    unrecorded: float | None = None
    screen = Screen(err)
    try:
        while True:
            job = Job.objects.select_related("owner").get(pk=job.pk)
            if job.is_final:
                break
            live = overlay([job]).get(job)
            screen.show(line_of(job, live), live.progress if live else None)
            if job.is_final:
                # Redis knows the end already; SQL, with the result, follows unless no keeper runs.
                unrecorded = unrecorded or monotonic()
                if monotonic() - unrecorded > _RECORDED_WITHIN:
                    break
            if deadline is not None and monotonic() >= deadline:
                return None
            sleep(_EVERY)
    finally:
        screen.close()
    _tell_end(job, out, err)
    return job.state


def line_of(job: Job, live: Live | None) -> str:
    """Running, attempt 2 of 3, 6,214 of 10,000 sent, 1:04 left"""
    parts = ["Cancelling" if job.is_cancelling else job.shown_word]
    if job.attempt > 1:
        parts.append(job.tries)
    if live and live.progress and job.shown == "running":
        at = live.progress
        parts.append(words.progress(at.current, at.total, at.step))
        if at.eta:
            parts.append(words.left(at.eta))
    return ", ".join(parts)


def _tell_end(job: Job, out: OutputWrapper, err: OutputWrapper) -> None:
    took = words.duration(job.finished_at - job.started_at) if job.finished_at and job.started_at else ""
    err.write(f"{job.shown_word}{f' after {took}' if took else ''}." + (f" {job.error}" if job.error else ""))
    result = result_of(job)
    if job.state == "SUCCESS" and result is not None:
        out.write(result if isinstance(result, str) else json.dumps(result, indent=2, ensure_ascii=False, default=str))


class Screen:
    """Where the progress is drawn."""

    def __init__(self, out: OutputWrapper):
        self.out, self.last = out, ""
        self.is_terminal = out.isatty()

    def show(self, text: str, progress: Progress | None) -> None:
        if text == self.last:
            return
        self.last = text
        if not self.is_terminal:
            self.out.write(text)
            return
        width = shutil.get_terminal_size().columns - 1
        self.out.write(f"\r\x1b[K{f'{_bar(progress)}{text}'[:width]}", ending="")
        self.out.flush()

    def close(self) -> None:
        """Take the line away again: the end is told below what was there before."""
        if self.is_terminal and self.last:
            self.out.write("\r\x1b[K", ending="")
            self.out.flush()


def _bar(progress: Progress | None) -> str:
    fraction: Any = progress.fraction if progress else None
    if fraction is None:
        return ""
    full = round(_BAR * fraction)
    return f"{'█' * full}{'░' * (_BAR - full)} "
