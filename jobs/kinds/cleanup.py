"""Clean-up: old jobs and files, by age and by size."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django import forms

from jobs.core.errors import PermanentError
from jobs.core.fields import size_in_words
from jobs.core.kind import Context, Kind
from jobs.kinds._owner import owner_of

if TYPE_CHECKING:
    from jobs.models.forget import Freed

#: Jobs of one transaction: other writers of SQLite wait for it.
CHUNK = 50
WHAT = {"jobs": "Jobs with their files, attempts and logs", "files": "Their files only; the jobs stay listed"}


def kind_choices() -> list[tuple[str, str]]:
    from jobs.core.registry import all_kinds

    return [(kind.slug, kind.label) for kind in all_kinds().values()]


class CleanUpForm(Kind.Form):
    what = forms.ChoiceField(label="Delete", choices=list(WHAT.items()), initial="jobs", widget=forms.RadioSelect)
    older_than = forms.IntegerField(
        label="Ended more than [days] ago", required=False, min_value=1, max_value=36_500, help_text="Such as 30."
    )
    keep_size = forms.IntegerField(
        label="Keep files up to [MB]",
        required=False,
        min_value=0,
        max_value=10**9,
        help_text="The newest jobs are kept as long as their files fit; older ones go, whatever their age.",
    )
    kinds = forms.MultipleChoiceField(
        required=False, choices=kind_choices, widget=forms.CheckboxSelectMultiple, help_text="None ticked: all kinds."
    )
    states = forms.MultipleChoiceField(
        required=False,
        choices=[("succeeded", "Succeeded"), ("failed", "Failed"), ("cancelled", "Cancelled")],
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: all three. Jobs that have not ended are never deleted.",
    )
    dry_run = forms.BooleanField(label="Dry run: count what would go, delete nothing", required=False, initial=True)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        limits = ("older_than", "keep_size")
        if not any(name in self.errors or data.get(name) is not None for name in limits):
            self.add_error("older_than", "Give an age, a size to keep, or both.")
        return data


class CleanUp(Kind):
    """Delete old jobs or their files, by age and by size; a dry run first.

    What is in use stays: jobs that have not ended, files that another job or a schedule needs.
    """

    slug, label, pool, order = "cleanup", "Clean up", "cpu", 60
    operators_only = True
    time_limit = 4 * 3600
    idempotent = True
    Form = CleanUpForm

    @classmethod
    def title(cls, params: Mapping[str, Any]) -> str:
        return f"Clean up {_limits(params)}{' (dry run)' if params['dry_run'] else ''}"

    @classmethod
    def preview(cls, cleaned: Mapping[str, Any]) -> list[tuple[str, str]]:
        rows = [("Deletes", WHAT[cleaned["what"]].lower()), ("Which", _limits(cleaned))]
        if cleaned["kinds"]:
            rows.append(("Kinds", ", ".join(cleaned["kinds"])))
        if cleaned["states"]:
            rows.append(("States", ", ".join(cleaned["states"])))
        return [*rows, ("Dry run", "Nothing is deleted." if cleaned["dry_run"] else "No: what is deleted is gone.")]

    def run(self, params: dict[str, Any], ctx: Context) -> dict[str, Any]:
        from jobs.core.access import may_submit
        from jobs.kinds._cleanup.selection import chunks, in_use, matching, selected
        from jobs.kinds._cleanup.tally import Tally
        from jobs.models.forget import Freed, forget_files, forget_jobs

        user = owner_of(ctx)
        if not may_submit(user, type(self)):
            raise PermanentError(f"{ctx.owner} is no operator any more; only operators clean up.")
        used = in_use()
        jobs = selected(params, used)
        tally, freed, total = Tally(jobs), Freed(), jobs.count()
        forget = forget_files if params["what"] == "files" else forget_jobs
        done = 0
        ctx.progress(0, total, "looked at")
        for chunk in chunks(jobs, CHUNK):
            tally.add(chunk)
            if not params["dry_run"]:
                freed += forget(seq for seq, _ in chunk)
            done += len(chunk)
            ctx.progress(done, max(done, total), "counted" if params["dry_run"] else "deleted")
        result = _result(params, tally.total if params["dry_run"] else freed)
        if not params["dry_run"]:
            _tell(user, result["summary"], ctx.job_id)
        kept = matching(params).filter(seq__in=used).count()
        return {**result, "kept_for_schedules": kept, "by_kind": tally.table()}


def _limits(params: Mapping[str, Any]) -> str:
    parts = []
    if params.get("older_than") is not None:
        parts.append(f"older than {params['older_than']:,} days")
    if params.get("keep_size") is not None:
        parts.append(f"beyond {params['keep_size']:,} MB")
    return " or ".join(parts)


def _result(params: Mapping[str, Any], freed: "Freed") -> dict[str, Any]:
    files = f"{freed.files:,} file{'' if freed.files == 1 else 's'} ({size_in_words(freed.bytes)})"
    jobs = f"{freed.jobs:,} job{'' if freed.jobs == 1 else 's'}"
    what = f"{files} of {jobs}" if params["what"] == "files" else f"{jobs} with {files}"
    summary = f"Would delete {what}. Nothing was deleted." if params["dry_run"] else f"Deleted {what}."
    return {
        "summary": summary,
        "dry_run": params["dry_run"],
        "jobs": freed.jobs,
        "files": freed.files,
        "bytes": freed.bytes,
    }


def _tell(user: Any, summary: str, job_id: str) -> None:
    from jobs.models import AuditEntry, Job

    AuditEntry.record(user, "clean up", job=Job.objects.filter(id=job_id).first(), target=summary[:200])
