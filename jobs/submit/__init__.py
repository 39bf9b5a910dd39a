"""The one door in: forms, API, command line and schedules all submit, cancel, pause, retry and rerun here."""

from jobs.submit.cancel import cancel
from jobs.submit.pause import pause, resume
from jobs.submit.retry import rerun, retry
from jobs.submit.submit import submit, submit_many

__all__ = ["cancel", "pause", "rerun", "resume", "retry", "submit", "submit_many"]
