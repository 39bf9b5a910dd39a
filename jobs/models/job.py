from typing import Any

import uuid_utils
from django.conf import settings
from django.db import models
from django.db.models import Q, Value
from django.utils import timezone

from jobs.core import priorities
from jobs.core.kind import Kind
from jobs.core.redaction import masked
from jobs.core.registry import get_kind
from jobs.core.states import FINAL, SHOWN, UNFINISHED, State, shown_as
from jobs.core.typed import unwrapped


def new_id() -> str:
    """A UUIDv7: ids made later sort later."""
    return str(uuid_utils.uuid7())


class Via(models.TextChoices):
    FORM = "form", "a form"
    API = "api", "the API"
    CLI = "cli", "the command line"
    SCHEDULE = "schedule", "a schedule"
    RERUN = "rerun", "a rerun"
    IMPORT = "import", "an import"
    CELERY = "celery", "Celery code"


class Job(models.Model):
    """One submission. SQL is the truth for what was accepted; the thin row that lists are made of."""

    #: Order of acceptance; never shown.
    seq = models.BigAutoField(primary_key=True)
    #: The Celery task id: a UUIDv7, or any string up to 255 for other people's tasks.
    id = models.CharField(max_length=255, unique=True, default=new_id)
    #: Slug of the kind, or the task's name where `is_kind` is false.
    kind = models.CharField(max_length=255)
    is_kind = models.BooleanField(default=True)
    #: Human title, never empty.
    title = models.CharField(max_length=200)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="jobs", db_index=False
    )
    via = models.CharField(max_length=8, choices=Via, default=Via.FORM)
    queue = models.CharField(max_length=100)
    #: 0 urgent, 3 high, 6 normal, 9 low (core/priorities.py).
    priority = models.SmallIntegerField(default=priorities.NORMAL)
    #: Validated parameters as JSON, with secrets as ciphertext; for foreign tasks {"args", "kwargs"},
    #: in which what Celery code sent is masked.
    params = models.JSONField(default=dict)
    #: What its message says beside that, as Celery's `apply_async` takes it: headers {name: value}, expires (ISO 8601),
    #: exchange, routing_key, and a priority beyond 9, which lists do not tell apart (submit/messages.py). Of a step of
    #: Celery code that never ran: wants_result, where the result of the one before it was to be its argument.
    send_options = models.JSONField(default=dict, blank=True, db_default=Value({}, output_field=models.JSONField()))

    state = models.CharField(
        max_length=8,
        choices=[(state.value, state.value) for state in State if state != State.LOST],
        default=State.PENDING,
    )
    #: Number of the current attempt, from 1.
    attempt = models.PositiveIntegerField(default=1)
    max_attempts = models.PositiveIntegerField(default=1)
    #: Attempts left to automatic retries are counted from this number on; a person's retry moves it.
    first_attempt = models.PositiveIntegerField(default=1)
    #: Number of the first attempt since Celery code sent this id last; what is told of earlier ones changes no more of
    #: the job.
    sending = models.PositiveIntegerField(default=1, db_default=1)
    #: The state was concluded from a vanished worker; a real report of that attempt replaces it (LINE 7).
    assumed = models.BooleanField(default=False)
    #: Node name of the worker of the current attempt, e.g. io@web-1.
    worker = models.CharField(max_length=255, blank=True)
    #: Short result for lists, in words or JSON; the whole result is the TaskResult's.
    outcome = models.CharField(max_length=300, blank=True)
    error_type = models.CharField(max_length=200, blank=True)
    #: First line of the error for lists.
    error = models.CharField(max_length=300, blank=True)
    #: What failures of the same cause share (core/signature.py); "" unless the job has failed.
    signature = models.CharField(max_length=200, blank=True)

    created = models.DateTimeField(default=timezone.now)
    #: Earliest start, None: at once.
    due_at = models.DateTimeField(null=True, blank=True)
    #: When the current attempt's message was pushed; None: not (yet) published.
    published_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    changed = models.DateTimeField(default=timezone.now)
    #: When dispatch looks at the job next (due, unpublished, retry, lost by the broker); None: nothing to do.
    next_check_at = models.DateTimeField(null=True, blank=True)
    cancel_requested_at = models.DateTimeField(null=True, blank=True)

    # Few jobs have either: their indexes, below, hold those alone.
    rerun_of = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="reruns", db_index=False)
    schedule = models.ForeignKey(
        "jobs.Schedule", null=True, on_delete=models.SET_NULL, related_name="jobs", db_index=False
    )
    #: The run of the schedule that this job is; unique with it, so that no run starts twice.
    slot = models.DateTimeField(null=True, blank=True)
    workflow = models.ForeignKey(
        "jobs.Workflow", null=True, on_delete=models.SET_NULL, related_name="jobs", db_index=False
    )
    #: A step that was never let start: it waits for those before it, not for a worker (LINE 5).
    blocked = models.BooleanField(default=False)
    #: The client's Idempotency-Key, and a hash of the body that came with it.
    idempotency_key = models.CharField(max_length=255, null=True, blank=True)
    idempotency_hash = models.CharField(max_length=64, blank=True)
    #: The kind's `unique_key` of the parameters: of those that wait or run each is there once.
    unique_key = models.CharField(max_length=255, null=True, blank=True)
    #: Words that the search finds (browse/search.py): title, kind, owner, error.
    search = models.TextField(blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["-created", "-seq"], name="job_newest"),
            models.Index(fields=["state", "-created", "-seq"], name="job_state"),
            models.Index(fields=["kind", "state", "-created", "-seq"], name="job_kind_state"),
            models.Index(fields=["owner", "state", "-created", "-seq"], name="job_owner_state"),
            models.Index(fields=["queue", "-created", "-seq"], name="job_queue"),
            models.Index(fields=["kind", "-created", "-seq"], name="job_kind"),
            models.Index(fields=["owner", "-created", "-seq"], name="job_owner"),
            models.Index(fields=["rerun_of"], name="job_rerun_of", condition=Q(rerun_of__isnull=False)),
            models.Index(fields=["schedule", "-seq"], name="job_schedule", condition=Q(schedule__isnull=False)),
            models.Index(fields=["schedule", "state"], name="job_schedule_state", condition=Q(schedule__isnull=False)),
            models.Index(fields=["workflow", "state"], name="job_workflow", condition=Q(workflow__isnull=False)),
            models.Index(
                fields=["kind", "priority", "seq"],
                name="job_held",
                condition=Q(state="PENDING", published_at__isnull=True, next_check_at__isnull=True, blocked=False),
            ),
            models.Index(fields=["next_check_at"], name="job_next_check", condition=Q(next_check_at__isnull=False)),
            # All that the groups of the page Failures are counted from, and a group's own jobs. Not by the state:
            # SQLite would rather go through all that have failed by its index, and sort.
            models.Index(
                fields=["-finished_at", "signature", "kind", "seq"], name="job_failures", condition=~Q(signature="")
            ),
            models.Index(fields=["signature", "-finished_at"], name="job_signature", condition=~Q(signature="")),
            models.Index(fields=["changed"], name="job_moving", condition=Q(state__in=["PENDING", "STARTED", "RETRY"])),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "unique_key"],
                name="job_one_unfinished_per_unique_key",
                condition=Q(unique_key__isnull=False, state__in=["PENDING", "STARTED", "RETRY"]),
            ),
            models.UniqueConstraint(
                fields=["schedule", "slot"], name="job_one_per_slot", condition=Q(slot__isnull=False)
            ),
            models.UniqueConstraint(
                fields=["owner", "idempotency_key"],
                name="job_one_per_key",
                condition=Q(idempotency_key__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.id})"

    def get_absolute_url(self) -> str:
        from django.urls import reverse

        return reverse("job", args=[self.id])

    @property
    def kind_class(self) -> type[Kind] | None:
        return get_kind(self.kind) if self.is_kind else None

    @property
    def kind_label(self) -> str:
        kind = self.kind_class
        return kind.label if kind else self.kind

    @property
    def tries(self) -> str:
        """attempt 1 of 3; attempt 1, where nobody has said that more may follow."""
        most = max(self.max_attempts, self.attempt)
        return f"attempt {self.attempt} of {most}" if most > 1 else f"attempt {self.attempt}"

    @property
    def is_final(self) -> bool:
        return self.state in FINAL

    @property
    def waits_for_due(self) -> bool:
        """Scheduled: for a time, or for the steps of its workflow that come before."""
        if self.state != State.PENDING:
            return False
        return self.blocked or (self.due_at is not None and self.due_at > timezone.now())

    @property
    def is_cancelling(self) -> bool:
        return self.cancel_requested_at is not None and self.state in UNFINISHED

    @property
    def shown(self) -> str:
        """Key of the state that people are shown: scheduled, queued, running … (core/states.py)."""
        return shown_as(self.state, waits_for_due=self.waits_for_due)

    @property
    def shown_word(self) -> str:
        return SHOWN[self.shown]

    @property
    def masked_params(self) -> Any:
        return masked(self.params if self.is_kind else unwrapped(self.params))
