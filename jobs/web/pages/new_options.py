"""What every kind's form asks beside its own fields: when to start, and under what name, priority and queue."""

from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.utils import timezone

from jobs.core import priorities
from jobs.core.access import is_operator
from jobs.core.kind import Kind
from jobs.core.moment import WITHIN, is_usable
from jobs.foreign.task import ForeignTask
from jobs.models import Job
from jobs.web import words

NOW, LATER = "now", "later"


class Start(forms.Form):
    """When something is to start."""

    start = forms.ChoiceField(choices=[(NOW, "now"), (LATER, "later")], initial=NOW, widget=forms.RadioSelect)
    due_at = forms.DateTimeField(label="Starts at", required=False)

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.fields["due_at"].help_text = f"{settings.TIME_ZONE} time."

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("start") == LATER and "due_at" in data:
            if not data["due_at"]:
                self.add_error("due_at", "Say when: a day and a time.")
            elif data["due_at"] <= timezone.now():
                self.add_error("due_at", "This has passed. Choose a time to come, or start now.")
            elif not is_usable(data["due_at"]):
                self.add_error("due_at", f"{WITHIN[0].upper()}{WITHIN[1:]}.")
        return data

    def due(self) -> datetime | None:
        """None: at once."""
        return self.cleaned_data["due_at"] if self.cleaned_data["start"] == LATER else None


class Options(Start):
    """The options of one submission. `prefix` keeps their names apart from the kind's."""

    title = forms.CharField(
        label="Label", required=False, max_length=200, help_text="What lists call the job. Empty: made from the form."
    )
    priority = forms.ChoiceField(
        choices=[(name, name.capitalize()) for name in priorities.BY_NAME], initial="normal", required=False
    )
    queue = forms.ChoiceField(required=False)

    def __init__(self, data: Any = None, *, user: Any, kind: type[Kind] | ForeignTask, source: Job | None = None):
        initial = {"priority": priorities.NAMES.get(source.priority, "normal"), "queue": source.queue} if source else {}
        super().__init__(data, prefix="job", initial=initial)
        queues = [kind.pool, *getattr(settings, "JOBSITE_QUEUES", {}).get(kind.pool, [])]
        if is_operator(user):
            self.fields["queue"].choices = [(queue, queue) for queue in queues]  # type: ignore[attr-defined]
        else:
            del self.fields["queue"]

    def chosen(self) -> dict[str, Any]:
        """The options as `jobs.submit.submit` takes them."""
        data = self.cleaned_data
        return {
            "title": data["title"],
            "priority": data["priority"] or None,
            "queue": data.get("queue") or None,
            "due_at": self.due(),
        }

    def preview(self) -> list[tuple[str, str]]:
        """When it starts, as the fragment's last row."""
        if not self.is_valid():
            return []
        if self.cleaned_data["start"] == NOW:
            return [("Starts", "at once")]
        due = words.local(self.cleaned_data["due_at"])
        return [("Starts", f"{due:%A} {due.day} {due:%B %Y, %H:%M} {settings.TIME_ZONE}")]
