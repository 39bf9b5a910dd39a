"""What SQL keeps: one noun a file. Workers never import this package's users, and never write state here."""

from jobs.models.artifact import Artifact
from jobs.models.attempt import Attempt
from jobs.models.audit import AuditEntry
from jobs.models.canvas import CanvasLink
from jobs.models.ignored import IgnoredFailure
from jobs.models.incident import Incident
from jobs.models.job import Job
from jobs.models.lease import Lease
from jobs.models.ledger import LedgerEntry
from jobs.models.logincount import LoginCount
from jobs.models.logline import LogLine
from jobs.models.mail import Mail
from jobs.models.schedule import Schedule
from jobs.models.suppression import Suppression
from jobs.models.throughput import Throughput, Timing
from jobs.models.token import ApiToken
from jobs.models.view import ChosenColumns, SavedView
from jobs.models.workflow import Edge, Step, Workflow

__all__ = [
    "ApiToken",
    "Artifact",
    "Attempt",
    "AuditEntry",
    "CanvasLink",
    "ChosenColumns",
    "Edge",
    "IgnoredFailure",
    "Incident",
    "Job",
    "Lease",
    "LedgerEntry",
    "LogLine",
    "LoginCount",
    "Mail",
    "SavedView",
    "Schedule",
    "Step",
    "Suppression",
    "Throughput",
    "Timing",
    "Workflow",
]
