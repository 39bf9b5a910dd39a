"""The contract between Jobsite and one kind of job: a declaration and its work, together, in one file."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar, Protocol

from django import forms

from jobs.core.limits import Rate
from jobs.core.retry import NO_RETRY, Retry

POOLS = ("io", "cpu")
#: [s] between the soft limit, which the kind may clean up after, and the hard one.
HARD_AFTER_SOFT = 10.0
#: The step that the progress of a paused job tells, once its worker has seen to it.
PAUSED_STEP = "paused"
_SLUG = re.compile(r"[a-z][a-z0-9-]{0,39}")


class Ledger(Protocol):
    """What has become of each part of a job (a mail's recipient), kept across attempts (LINE 14)."""

    def all(self) -> dict[str, dict[str, Any]]:
        """Every entry: {key: {"state", "note"}}."""

    def mark(self, key: str, state: str, note: str = "") -> None:
        """Record an entry before the worker goes on; raises ConnectionError where it could not be stored."""


class Context(Protocol):
    """What a running job can do and know; given to `Kind.run`. Usable in both pools: no SQL behind it."""

    job_id: str
    #: Number of this attempt, from 1, and of attempts in all.
    attempt: int
    max_attempts: int
    #: Name of the owner, "" where the job has none.
    owner: str
    ledger: Ledger

    def progress(self, current: float, total: float, step: str = "") -> None:
        """Report how far the work is. Cheap at any rate; a point of cancellation, and of standing still."""

    def check(self) -> None:
        """Raise `Cancelled` here if the job has been cancelled; stand still while it is paused."""

    def log(self, text: str) -> None:
        """Add a line to the attempt's log, which pages show live."""

    def open(self, ref: Mapping[str, Any]) -> IO[bytes]:
        """A stored input (a value of an UploadField in params) for reading."""

    def path(self, ref: Mapping[str, Any]) -> Path:
        """A stored input as a file on this machine; to be read only."""

    def tempdir(self) -> Path:
        """A folder of this attempt, removed when it ends."""

    def save(self, name: str, content: bytes | Path | IO[bytes], content_type: str = "") -> dict[str, Any]:
        """Keep a file as a result of the job, for download; answers its reference."""


@dataclass(frozen=True)
class Offer:
    """What a job's page offers to do next: to run it again with `params` laid over its own, files and all."""

    #: Of one job's offers no other's: a second press answers the job that the first one made.
    name: str
    #: What the button says.
    label: str
    params: Mapping[str, Any]
    #: Whether it is what most people want next.
    is_main: bool = True


class Kind:
    """One kind of job. Subclasses are found in `jobs/kinds/` and in any installed app's `kinds.py`.

    The class is checked when it is declared: a wrong declaration stops the start, with the reason.
    """

    #: Name in URLs, the API and the task's name `jobs.<slug>`.
    slug: ClassVar[str] = ""
    #: What the button and the page's title say: "Send email".
    label: ClassVar[str] = ""
    #: The pool that suits the work: "io" (waiting: eventlet) or "cpu" (computing: prefork).
    pool: ClassVar[str] = "cpu"
    retry: ClassVar[Retry] = NO_RETRY
    #: [s] after which an attempt is ended as failed; None: no limit.
    time_limit: ClassVar[float | None] = 3600
    #: Whether a lost attempt may be run again without asking: running twice does no harm.
    idempotent: ClassVar[bool] = False
    #: Whether only operators may submit it; others are not even offered it.
    operators_only: ClassVar[bool] = False
    #: At most so many at a time, across all workers; None: no limit.
    max_running: ClassVar[int | None] = None
    #: At most so many starts in a time; None: no limit.
    rate: ClassVar[Rate | None] = None
    #: Whether people may pause a running job of it. `run` then stands still in `ctx.progress` and `ctx.check` until
    #: somebody resumes it; call them from the thread of `run` itself. Its time limit stands still as well, except in
    #: the pool prefork, whose parent process keeps it.
    pausable: ClassVar[bool] = False
    #: Words for parts of an ended job that a rerun may be limited to: see `parts_left` and `only`.
    parts: ClassVar[tuple[str, ...]] = ()
    #: Position among the kinds on the page "New job".
    order: ClassVar[int] = 100

    class Form(forms.Form):
        """The parameters. Validates the page, the API, the command line and the schedule alike."""

    def __init_subclass__(cls, abstract: bool = False, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if abstract:
            return
        where = f"kind {cls.__module__}.{cls.__qualname__}"
        if not _SLUG.fullmatch(cls.slug):
            raise TypeError(f"{where}: slug {cls.slug!r} must be lower-case letters, digits and hyphens, at most 40")
        if not cls.label:
            raise TypeError(f"{where}: label is missing; it is what people read")
        if cls.pool not in POOLS:
            raise TypeError(f"{where}: pool {cls.pool!r} must be one of {', '.join(POOLS)}")
        if not (cls.__doc__ or "").strip():
            raise TypeError(f"{where}: the docstring is missing; its first line describes the kind on the page")
        if cls.run is Kind.run:
            raise TypeError(f"{where}: run(self, params, ctx) is missing")
        if not issubclass(cls.Form, forms.BaseForm):
            raise TypeError(f"{where}: Form must be a Django form")
        if cls.time_limit is not None and cls.time_limit <= 0:
            raise TypeError(f"{where}: time_limit is in seconds, above 0, or None")
        if cls.max_running is not None and cls.max_running < 1:
            raise TypeError(f"{where}: max_running is at least 1, or None")

    @classmethod
    def is_limited(cls) -> bool:
        """Whether its jobs wait for dispatch to let them in."""
        return cls.max_running is not None or cls.rate is not None

    @classmethod
    def time_limits(cls) -> tuple[float | None, float | None]:
        """[s] (hard, soft), as Celery takes them; None: no limit."""
        return (None, None) if cls.time_limit is None else (cls.time_limit + HARD_AFTER_SOFT, cls.time_limit)

    @classmethod
    def unique_key(cls, params: Mapping[str, Any]) -> str | None:
        """What makes two jobs the same while one of them waits or runs: the second submission is answered with the
        first job. None: never the same."""
        return None

    @classmethod
    def summary(cls) -> str:
        """The first line of the docstring: one sentence for people."""
        return (cls.__doc__ or "").strip().splitlines()[0].strip()

    @classmethod
    def title(cls, params: Mapping[str, Any]) -> str:
        """A human title for one job, from its parameters (as `run` gets them)."""
        return cls.label

    @classmethod
    def preview(cls, cleaned: Mapping[str, Any]) -> list[tuple[str, str]]:
        """What will happen, as (term, text) rows, from cleaned data; shown beside the form before submitting."""
        return []

    @classmethod
    def offers(cls, params: Mapping[str, Any], result: Any) -> Sequence[Offer]:
        """What to do next with a job that succeeded with this result (None: it is kept no more)."""
        return ()

    @classmethod
    def parts_left(cls, state: str, counts: Mapping[str, int]) -> Sequence[Offer]:
        """Of `parts`, those to offer for a job that ended so, by how many entries its ledger has in each state; an
        Offer's params are left empty."""
        return ()

    @classmethod
    def only(cls, part: str, params: Mapping[str, Any], states: Mapping[str, str]) -> dict[str, Any] | None:
        """The parameters that limit a rerun to a part, to be laid over the job's own; an UploadField's as new uploads.

        states: of the job's ledger, by key. None: nothing is left of that part.
        """
        raise NotImplementedError

    def run(self, params: dict[str, Any], ctx: Context) -> Any:
        """Do the work. The return value is the result: JSON, small; files go through `ctx.save`.

        params: the form's cleaned data as JSON by field name: dates as ISO 8601, decimals as text,
        UploadField as a list of references for `ctx.open`, SecretField in clear.
        """
        raise NotImplementedError
