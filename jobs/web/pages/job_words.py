"""What is said of a job's state: to the one who submitted it, and to operators."""

from django.conf import settings
from django.utils import timezone

from jobs.browse.detail import Seen, waits_for
from jobs.core import priorities
from jobs.core.states import State, known
from jobs.models import Job
from jobs.web import words
from jobs.web.pages.rows import Row

#: Steps that are named of those that a job waits for.
NAMED = 5


def sentence(seen: Seen, operator: bool) -> str:
    """One line beside the state."""
    job = seen.job
    if job.is_cancelling:
        return _cancelling(job, operator)
    if job.blocked and job.state == State.PENDING:
        return _waiting(job)
    return (_for_operator if operator else _for_submitter)(seen)


def _cancelling(job: Job, operator: bool) -> str:
    if not operator:
        return "It stops as soon as it can."
    return f"until {job.worker or 'the worker'} confirms"


def _waiting(job: Job) -> str:
    """For steps of its workflow."""
    found = waits_for(job, NAMED + 1)
    names = [f"“{title}”" + (f" ×{number:,}" if number > 1 else "") for title, number in found[:NAMED]]
    more = " and more" if len(found) > NAMED else ""
    return f"Waits for {', '.join(names)}{more}." if names else "The steps before it have ended: it starts soon."


def _for_submitter(seen: Seen) -> str:
    job = seen.job
    match job.shown:
        case "scheduled" if job.due_at:
            return f"Starts {words.local(job.due_at):%A, %d %B, %H:%M}."
        case "queued":
            return "Waiting its turn."
        case "running":
            return "Starting again after a pause." if job.attempt > job.first_attempt and not seen.live else ""
        case "retrying":
            return f"{_ended(job.error) or 'That did not work.'} It is tried again."
        case "succeeded":
            note = Row(job).note.rstrip(".")
            return f"Done: {note}." if note else "Done."
        case "failed":
            return _ended(job.error) or "It did not work."
    return job.error or "Stopped before it was done."


def _for_operator(seen: Seen) -> str:
    job = seen.job
    tries = job.tries
    match job.shown:
        case "scheduled" if job.due_at:
            return f"due {words.local(job.due_at):%Y-%m-%d %H:%M} {settings.TIME_ZONE}"
        case "queued":
            since = max(filter(None, [job.published_at or job.changed, job.due_at]))
            priority = priorities.NAMES.get(job.priority, str(job.priority))
            return f"{job.queue}, {priority}, waiting {words.duration(timezone.now() - since)}"
        case "running":
            return f"{tries}, {job.worker}" if job.worker else tries
        case "retrying":
            at = f" at {words.local(job.next_check_at):%H:%M:%S}" if job.next_check_at else ""
            next_one = job.attempt + 1
            return f"{job.error_type or 'failed'}; attempt {next_one} of {max(job.max_attempts, next_one)}{at}"
        case "succeeded":
            took = _took(job)
            return f"took {took}" if took else ""
        case "failed":
            return ", ".join(filter(None, [job.error_type, tries, job.worker]))
    return (
        f"revoked, confirmed by {job.worker}" if job.worker and job.started_at else job.error or "revoked before it ran"
    )


def _ended(text: str) -> str:
    """With a full stop."""
    return text if not text or text[-1] in ".!?…" else f"{text}."


def _took(job: Job) -> str:
    if job.started_at is None or job.finished_at is None:
        return ""
    return words.duration(job.finished_at - job.started_at)


def page_title(seen: Seen) -> str:
    """What the tab says: "62% Autumn newsletter", then "Done: Autumn newsletter"."""
    job, live = seen.job, seen.live
    if job.state == State.STARTED and live and live.progress and live.progress.fraction is not None:
        return f"{int(100 * live.progress.fraction)}% {job.title}"
    word = {State.SUCCESS: "Done: ", State.FAILURE: "Failed: ", State.REVOKED: "Cancelled: "}
    return word.get(known(job.state), "") + job.title
