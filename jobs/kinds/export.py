"""Export: the job history under a filter, as a file."""

import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils import timezone

from jobs.core.errors import PermanentError
from jobs.core.kind import Context, Kind
from jobs.kinds._export.writers import FORMATS, counted
from jobs.kinds._owner import owner_of
from jobs.kinds._tables.cells import MOST_ROWS

#: The filter's parameters, as the page Jobs and the API name them.
FILTER = ("q", "state", "kind", "queue", "owner", "since", "until")


#: What the page Jobs shows as code.
_QUOTED = re.compile("`([^`]*)`")


class ExportForm(Kind.Form):
    q = forms.CharField(
        label="Search",
        required=False,
        max_length=300,
        help_text="As on the page Jobs: kind:image state:failed since:2h, or words. Empty: every job that you may see.",
    )
    format = forms.ChoiceField(choices=[(name, label) for name, (_, label, _) in FORMATS.items()], initial="csv")
    state = forms.CharField(required=False, max_length=20, help_text="Such as failed.")
    kind = forms.CharField(required=False, max_length=255, help_text="Such as image.")
    queue = forms.CharField(required=False, max_length=100)
    owner = forms.CharField(required=False, max_length=150, help_text="A user name.")
    since = forms.CharField(required=False, max_length=40, help_text="Created since: 2h, 3d, 2026-11-21.")
    until = forms.CharField(required=False, max_length=40, help_text="Created until: a date (all of it) or time.")
    fieldsets = (("Filter", ("state", "kind", "queue", "owner", "since", "until")),)

    def clean(self) -> dict[str, Any]:
        from jobs.browse.filters import JobFilter

        data = super().clean() or self.cleaned_data
        # Whom the owner may see is asked when the job runs: a schedule may have another owner by then.
        asked = JobFilter({name: data.get(name, "") for name in FILTER})
        if not asked.is_valid():
            for name, texts in asked.errors.items():
                self.add_error(
                    name if name in self.fields else None, [_QUOTED.sub(r"“\1”", str(text)) for text in texts]
                )
        return data


class ExportJobs(Kind):
    """Write the job history, filtered as on the page Jobs, to CSV, JSON Lines, XLSX or Parquet."""

    slug, label, pool, order = "export", "Export job history", "cpu", 50
    time_limit = 4 * 3600
    idempotent = True
    Form = ExportForm

    @classmethod
    def title(cls, params: Mapping[str, Any]) -> str:
        return f"Export as {FORMATS[params['format']][1]}: {_asked(params) or 'all jobs'}"

    @classmethod
    def preview(cls, cleaned: Mapping[str, Any]) -> list[tuple[str, str]]:
        rows = [("Jobs", _asked(cleaned) or "all that you may see"), ("File", FORMATS[cleaned["format"]][1])]
        if cleaned["format"] == "xlsx":
            rows.append(("At most", f"{MOST_ROWS - 1:,} jobs, the newest: a sheet takes no more"))
        return rows

    def run(self, params: dict[str, Any], ctx: Context) -> dict[str, Any]:
        from jobs.browse.page import each
        from jobs.kinds._export.columns import values

        query = _query(params, ctx)
        total = _count(query)
        write, label, content_type = FORMATS[params["format"]]
        target = ctx.tempdir() / f"jobs-{timezone.localtime():%Y-%m-%d-%H%M}.{params['format']}"
        rows = (values(job) for job in each(query))
        written = write(counted(rows, lambda number: ctx.progress(number, max(total, number), "written")), target)
        ctx.progress(written, written, "written")
        ctx.save(target.name, target, content_type)
        noun = "job" if written == 1 else "jobs"
        result = {"summary": f"{written:,} {noun} as {label}.", "jobs": written, "format": params["format"]}
        if params["format"] == "xlsx" and written == MOST_ROWS - 1 < total:
            result["left_out"] = total - written
            result["summary"] += f" {total - written:,} older ones do not fit a sheet: choose CSV for all."
        return result


def _asked(params: Mapping[str, Any]) -> str:
    """The filter as one would write it into the search."""
    terms = [f"{name}:{params[name]}" for name in FILTER[1:] if params.get(name)]
    return " ".join([*terms, *([params["q"]] if params.get("q") else [])])


def _query(params: Mapping[str, Any], ctx: Context) -> Any:
    """The checked question, held to what the job's owner may see, and to jobs that exist by now."""
    from jobs.browse.filters import JobFilter

    asked = JobFilter({name: params.get(name) or "" for name in FILTER}, viewer=owner_of(ctx))
    if not asked.is_valid():
        raise PermanentError(" ".join(str(text) for texts in asked.errors.values() for text in texts))
    return asked.query


def _count(query: Any) -> int:
    """How many jobs there are, for progress and for what a sheet cannot take."""
    from django.db.models import Q

    from jobs.browse import search
    from jobs.models import Job

    rows = Job.objects.filter(Q(**query.equal) & query.other & query.between)
    if query.id_prefix:
        rows = rows.filter(search.starts_with(query.id_prefix))
    return rows.filter(seq__in=search.matching(query.words, 2**31 - 1)).count() if query.words else rows.count()
