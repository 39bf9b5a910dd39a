"""The one door in: forms, API, command line and schedules all submit, cancel, pause, retry and rerun here."""

from jobs.submit.cancel import cancel
from jobs.submit.part import parts_of, rerun_part
from jobs.submit.pause import pause, resume
from jobs.submit.retry import rerun, retry
from jobs.submit.submit import submit, submit_many

__all__ = ["cancel", "parts_of", "pause", "rerun", "rerun_part", "resume", "retry", "submit", "submit_many"]
