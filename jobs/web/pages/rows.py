"""A job as one row of a list: what the templates need beside the job itself."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.utils import timezone

from jobs.browse.live import Live, Progress, overlay
from jobs.core.states import State
from jobs.models import Job
from jobs.web import words


@dataclass(frozen=True)
class Row:
    job: Job
    live: Live | None = None

    @property
    def progress(self) -> Progress | None:
        """How far it is, while it runs."""
        return self.live.progress if self.live and self.job.state == State.STARTED else None

    @property
    def fraction(self) -> float | None:
        return self.progress.fraction if self.progress else None

    @property
    def word(self) -> str:
        if self.job.is_cancelling:
            return "Cancelling"
        if self.live and self.live.pause and self.job.state == State.STARTED:
            return "Paused" if self.live.stands_still else "Pausing"
        return self.job.shown_word

    @property
    def left(self) -> str:
        """1 min left."""
        eta = self.progress.eta if self.progress else None
        return words.left(eta) if eta is not None else ""

    @property
    def note(self) -> str:
        """What the second line says where there is no progress."""
        job = self.job
        if job.state in (State.FAILURE, State.RETRY):
            return job.error or job.error_type
        if job.state == State.REVOKED:
            return job.error
        if job.state == State.SUCCESS:
            return "" if job.outcome.startswith(("{", "[")) or job.outcome in ("null", "None") else job.outcome
        return ""

    @property
    def took(self) -> float | None:
        """[s] from the start to the end, or to now."""
        job = self.job
        if job.started_at is None or job.state in (State.PENDING, State.RETRY):
            return None
        return ((job.finished_at or timezone.now()) - job.started_at).total_seconds()

    @property
    def waited(self) -> float | None:
        """[s] that the attempt which last started had waited for a worker."""
        job = self.job
        if job.started_at is None or job.published_at is None or job.started_at < job.published_at:
            return None
        return (job.started_at - job.published_at).total_seconds()

    @property
    def since(self) -> float | None:
        """When it began to run [unix seconds], while it runs: what the page counts on from."""
        running = self.job.state == State.STARTED and self.job.started_at is not None
        return self.job.started_at.timestamp() if running and self.job.started_at else None

    @property
    def can_cancel(self) -> bool:
        return not self.job.is_final and not self.job.is_cancelling

    @property
    def can_pause(self) -> bool:
        kind = self.job.kind_class
        runs = self.job.state == State.STARTED and not self.job.is_cancelling
        return runs and kind is not None and kind.pausable and not self.can_resume

    @property
    def can_resume(self) -> bool:
        """Also between two attempts: the next one would begin paused."""
        return self.live is not None and self.live.pause and not self.job.is_final and not self.job.is_cancelling

    @property
    def can_retry(self) -> bool:
        return self.job.state in (State.FAILURE, State.REVOKED)


def rows_of(jobs: Iterable[Job]) -> tuple[list[Row], bool]:
    """The rows with Redis' word laid over them, and whether Redis answered."""
    jobs = list(jobs)
    over = overlay(jobs)
    return [Row(job, over.get(job)) for job in jobs], over.reachable
