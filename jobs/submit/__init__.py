"""The one door in: forms, API, command line and schedules all submit, cancel, retry and rerun here."""

from jobs.submit.cancel import cancel
from jobs.submit.retry import rerun, retry
from jobs.submit.submit import submit, submit_many

__all__ = ["cancel", "rerun", "retry", "submit", "submit_many"]
