"""Import: a table whose rows become jobs of a kind."""

import csv
from collections.abc import Mapping
from itertools import islice
from typing import Any

from django import forms
from django.conf import settings
from django.urls import reverse

from jobs.core.errors import OverQuota, PermanentError, Refused
from jobs.core.fields import MB, UploadField
from jobs.core.kind import Context, Kind
from jobs.core.retry import Exponential, Retry
from jobs.kinds._import import columns
from jobs.kinds._import.check import SHOWN, Findings, Reader, check
from jobs.kinds._import.rows import ACCEPT, Row, Rows, open_rows
from jobs.kinds._owner import owner_of
from jobs.kinds._tables import choices
from jobs.kinds._tables.choices import Choice
from jobs.kinds._tables.peek import columns_of

#: Jobs of one transaction: other writers of SQLite wait for it.
BATCH = 200
ALL, VALID = "all", "valid"


def kind_choices() -> list[tuple[str, str]]:
    from jobs.core.registry import all_kinds

    return [(kind.slug, kind.label) for kind in all_kinds().values() if kind is not ImportJobs]


class ImportForm(Kind.Form):
    kind = forms.ChoiceField(label="Kind of job", choices=kind_choices, help_text="Each row becomes one job of it.")
    table = UploadField(
        accept=ACCEPT,
        max_size=200 * MB,
        help_text="CSV, XLSX or JSON Lines, up to 200 MB. The first row names the columns. "
        "An empty cell leaves the parameter its default.",
    )
    encoding, separator, sheet, header = choices.fields()
    fieldsets = (choices.FIELDSET,)
    columns = forms.CharField(
        required=False,
        max_length=10_000,
        widget=forms.Textarea(attrs={"placeholder": "E-mail address = to\nHeadline = subject"}),
        help_text="“Column = parameter”, one on each line. Columns called like a parameter need no line.",
    )
    rows = forms.ChoiceField(
        label="If rows are wrong",
        choices=[(ALL, "import nothing"), (VALID, "import the valid rows")],
        initial=ALL,
        widget=forms.RadioSelect,
    )
    dry_run = forms.BooleanField(label="Dry run: check every row, start no job", required=False)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if "kind" not in data or "columns" not in data:
            return data
        fields = _kind(data["kind"]).Form().fields
        try:
            pairs = columns.parse(data["columns"], fields)
        except ValueError as error:
            self.add_error("columns", str(error))
            return data
        if names := columns_of(data.get("table"), Choice.from_params(data)):
            try:
                columns.assign(names, pairs, fields)
            except ValueError as error:
                self.add_error("columns", str(error))
        return data


class ImportJobs(Kind):
    """Turn each row of a table into a job of a kind.

    Every row is checked first with the kind's own form. Run again, it makes no job twice.
    """

    slug, label, pool, order = "import", "Import jobs", "cpu", 40
    # Past the quota it waits for earlier jobs to end, and goes on where it stopped.
    retry = Retry(on=(OverQuota, ConnectionError), attempts=50, backoff=Exponential(base=15, cap=600))
    time_limit = 4 * 3600
    # Each row's key is made of this job's id and the row's number: submitted again, it answers the same job.
    idempotent = True
    Form = ImportForm

    @classmethod
    def title(cls, params: Mapping[str, Any]) -> str:
        table = (params.get("table") or [None])[0]
        name = "" if table is None else table["name"] if isinstance(table, Mapping) else table.name
        return f"Import {name}: {_kind(params['kind']).label}"

    @classmethod
    def preview(cls, cleaned: Mapping[str, Any]) -> list[tuple[str, str]]:
        kind, rows = _kind(cleaned["kind"]), []
        if names := columns_of(cleaned.get("table"), Choice.from_params(cleaned)):
            fields = kind.Form().fields
            found = columns.assign(names, columns.parse(cleaned["columns"], fields), fields)
            rows = [(name, column) for column, name in found.items()]
            if ignored := [name for name in names if name not in found]:
                rows.append(("Not used", ", ".join(ignored[:20])))
        start = "nothing; the rows are only checked" if cleaned.get("dry_run") else f"a job “{kind.label}” for each row"
        return [("Starts", start), *rows]

    def run(self, params: dict[str, Any], ctx: Context) -> dict[str, Any]:
        user, kind = owner_of(ctx), _kind(params["kind"])
        _check_allowed(user, kind)
        ref = params["table"][0]
        rows = open_rows(ctx.path(ref), ref["name"], Choice.from_params(params))
        reader = _reader(kind, params["columns"], rows)
        errors = ctx.tempdir() / "errors.csv"
        found = check(rows, reader, user, errors, ctx)
        if found.wrong:
            ctx.save("errors.csv", errors, "text/csv")
        if found.wrong and params["rows"] == ALL and not params["dry_run"]:
            raise PermanentError(_refusal(rows, found))
        made = [] if params["dry_run"] else _submit_all(rows, reader, found, user, ctx)
        return _result(rows, reader, found, made, params)


def _kind(slug: str) -> type[Kind]:
    from jobs.core.registry import get_kind

    kind = get_kind(slug)
    if kind is None:
        raise PermanentError(f"There is no kind {slug!r} any more.")
    return kind


def _check_allowed(user: Any, kind: type[Kind]) -> None:
    from jobs.core.access import may_submit

    if not may_submit(user, kind):
        raise PermanentError(f"Only operators may submit “{kind.label}”.")


def _reader(kind: type[Kind], text: str, rows: Rows) -> Reader:
    fields = kind.Form().fields
    try:
        return Reader(kind, columns.assign(rows.columns, columns.parse(text, fields), fields))
    except ValueError as error:
        raise PermanentError(str(error)) from error


def _refusal(rows: Rows, found: Findings) -> str:
    word = rows.word
    lines = [
        f"{word.capitalize()} {error[word]}, {error['column'] or 'all'}: {error['error']}" for error in found.first
    ]
    more = [f"and {found.errors - len(lines):,} more, in errors.csv"] if found.errors > len(lines) else []
    head = f"Nothing was imported: {len(found.wrong):,} of {rows.count:,} rows wrong. errors.csv has every error."
    return "\n".join([head, *lines, *more])


def _submit_all(rows: Rows, reader: Reader, found: Findings, user: Any, ctx: Context) -> list[dict[str, Any]]:
    """Submit the valid rows; answers the first jobs with their rows. The file jobs.csv lists all."""
    target, done = ctx.tempdir() / "jobs.csv", 0
    first: list[dict[str, Any]] = []
    valid = (row for row in rows if row.number not in found.wrong)
    with target.open("w", encoding="utf-8", newline="") as file:
        write = csv.writer(file).writerow
        write([rows.word, "job", "link"])
        while batch := list(islice(valid, BATCH)):
            for row, job in zip(batch, _submit(batch, reader, user, ctx), strict=True):
                link = settings.BASE_URL + reverse("job", args=[job.id])
                write([row.number, job.id, link])
                if len(first) < SHOWN:
                    first.append({rows.word: row.number, "title": job.title, "job": link})
            done += len(batch)
            ctx.progress(rows.count + len(found.wrong) + done, rows.count * 2, "imported")
    if done:
        ctx.save("jobs.csv", target, "text/csv")
    return first


def _submit(batch: list[Row], reader: Reader, user: Any, ctx: Context) -> list[Any]:
    """The jobs of some rows: new ones, or those that an earlier attempt of this import made."""
    from django.db import IntegrityError

    from jobs.models.job import Via
    from jobs.submit import submit_many

    items = [reader.params(row) for row in batch]
    keys = [f"import:{ctx.job_id}:{row.number}" for row in batch]
    try:
        return submit_many(reader.kind, items, user=user, via=Via.IMPORT, keys=keys)
    except IntegrityError:
        # An attempt that was believed lost is still at it, and made some of these jobs at the same moment.
        return submit_many(reader.kind, items, user=user, via=Via.IMPORT, keys=keys)
    except Refused as refused:
        raise PermanentError(f"What was right when the rows were checked no longer is: {refused}") from refused


def _result(
    rows: Rows, reader: Reader, found: Findings, made: list[dict[str, Any]], params: Mapping[str, Any]
) -> dict[str, Any]:
    valid = rows.count - len(found.wrong)
    imported = 0 if params["dry_run"] else valid
    verb = "can be imported" if params["dry_run"] else "imported"
    what = f"{valid:,} {'row' if valid == 1 else 'rows'} {verb}"
    wrong = f"; {len(found.wrong):,} of {rows.count:,} wrong" if found.wrong else ""
    return {
        "summary": f"{what}{wrong}.",
        "kind": reader.kind.slug,
        "rows": rows.count,
        "imported": imported,
        "wrong": len(found.wrong),
        "read_as": " ".join(rows.notes),
        "not_used": ", ".join(name for name in rows.columns if name not in reader.columns),
        "first_errors": found.first,
        "first_jobs": made,
    }
