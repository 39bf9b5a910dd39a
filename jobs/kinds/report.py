"""Reports: a table, or Jobsite's own job history, as a document to hand on."""

from collections.abc import Callable, Mapping
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.text import slugify

from jobs.core.kind import Context, Kind
from jobs.core.moment import bound
from jobs.kinds._report import words
from jobs.kinds._report.choices import FORMATS, MEASURES, Question, split_names
from jobs.kinds._report.form import ReportForm
from jobs.kinds._tables.choices import Choice

if TYPE_CHECKING:
    from jobs.kinds._report.grouping import Groups
    from jobs.kinds._report.story import Report
    from jobs.kinds._report.typed import Table

#: Share of the whole that each part of the work takes, in its order.
PARTS = {"read": 0.40, "types": 0.20, "profile": 0.15, "groups": 0.10, "documents": 0.15}
STEPS = 1000


class MakeReport(Kind):
    """Turn a table or the job history into a report: PDF, HTML, XLSX or CSV.

    It shows what each column holds, measures by group and by time, and the charts that tell most.
    """

    slug, label, pool = "report", "Make a report", "cpu"
    order = 30
    time_limit = 900
    idempotent = True
    Form = ReportForm

    @classmethod
    def title(cls, params: Mapping[str, Any]) -> str:
        return params.get("title") or _title(params)

    @classmethod
    def preview(cls, cleaned: Mapping[str, Any]) -> list[tuple[str, str]]:
        measure = cleaned.get("measure")
        asked = Question.from_params(dict(cleaned)).measures
        named = ["rows" if name == "count" else f"{MEASURES[name].lower()} of {measure}" for name in asked]
        rows = [("Report", cls.title(cleaned)), ("Measures", ", ".join(named))]
        if cleaned.get("source") == "jobs":
            since, until = cleaned.get("since"), cleaned.get("until")
            rows.insert(1, ("Jobs", f"{f'since {since}' if since else 'from the first'}, until {until or 'now'}"))
        if cleaned.get("bucket"):
            rows.append(("By time", cleaned["bucket"]))
        return [*rows, ("Files", ", ".join(FORMATS[name] for name in cleaned.get("formats") or []))]

    def run(self, params: dict[str, Any], ctx: Context) -> Any:
        from jobs.kinds._report.typed import typed

        folder, part = ctx.tempdir(), _progress(ctx)
        source = _source(params, ctx, folder, part("read"))
        table = typed(source, folder, settings.TIME_ZONE, part("types"), split_names(params.get("group_by") or ""))
        ctx.log(f"{source.name}: {table.rows:,} rows, {len(table.columns)} columns")
        report, totals = _report(params, table, part)
        files = _documents(report, params["formats"], folder, part("documents"), ctx)
        return {
            "rows": table.rows,
            "columns": len(table.columns),
            "groups": report.groups.frame.height if report.groups else 0,
            "figures": totals,
            "summary": report.summary,
            "files": files,
        }


def _title(params: Mapping[str, Any]) -> str:
    files = params.get("table") or []
    name = files[0]["name"] if files and isinstance(files[0], Mapping) else files[0].name if files else "table"
    what = (
        "Job history" if params.get("source") == "jobs" else PurePath(name).stem.replace("_", " ").strip().capitalize()
    )
    by = split_names(params.get("group_by") or "") + ([params["bucket"]] if params.get("bucket") else [])
    return f"{what} by {words.listed(by)}"[:200] if by else f"{what or 'Table'}: overview"[:200]


def _progress(ctx: Context) -> Callable[[str], Callable[[str, float], None]]:
    """For each part of the work a function that takes a text and the share of that part done."""

    def part(name: str) -> Callable[[str, float], None]:
        names = list(PARTS)
        start = sum(PARTS[other] for other in names[: names.index(name)])
        return lambda text, done: ctx.progress(round(STEPS * (start + PARTS[name] * done)), STEPS, text)

    return part


def _source(params: dict[str, Any], ctx: Context, folder: Path, report: Callable[[str, float], None]) -> Any:
    from jobs.kinds._report.tables import from_file, from_jobs

    if params["source"] == "jobs":
        since = bound(params["since"]) if params.get("since") else None
        until = bound(params["until"], end=True) if params.get("until") else None
        return from_jobs(ctx.owner, since, until, folder, report)
    ref = params["table"][0]
    return from_file(ctx.path(ref), ref["name"], folder, report, Choice.from_params(params))


def _report(
    params: dict[str, Any], table: "Table", part: Callable[[str], Callable[[str, float], None]]
) -> tuple["Report", dict[str, Any]]:
    """All that the documents show, and the measures over all rows."""
    from jobs.kinds._report import figures, story
    from jobs.kinds._report.grouping import grouped, prepared, settle
    from jobs.kinds._report.profile import profile

    # The question is checked before the long work, so that a wrong name is told at once.
    question = settle(Question.from_params(params), table)
    scan, bad = prepared(question, table)
    profiles = profile(table, part("profile"), question.measure)
    report = part("groups")
    report("Grouping", 0)
    whole = grouped(scan, question, (), bucket=False).frame.row(0)
    totals = dict(zip(question.measures, whole, strict=True))
    groups = by_group = by_time = None
    if question.group_by or question.bucket:
        groups = grouped(scan, question, question.group_by, bool(question.bucket))
        by_group = _only(groups, question, scan, time=False)
        by_time = _only(groups, question, scan, time=True)
    report("Drawing charts", 0.6)
    charts = (
        figures.asked(groups, by_group, by_time, question, profiles) if groups else figures.telling(table, profiles)
    )
    if spread := figures.spread(scan, question, profiles):
        charts.append(spread)
    notes = table.source.notes + [
        f"{name}: {words.many(count, 'value that does not fit is', 'values that do not fit are')} counted as missing."
        for name, count in bad.items()
    ]
    return story.Report(
        title=params.get("title") or _title(params),
        source=table.source.name,
        period=story.period(profiles, question),
        made=story.made_now(settings.TIME_ZONE),
        rows=table.rows,
        figures=story.key_figures(table, question, profiles, totals, groups),
        summary=story.summary(table, question, profiles, totals, by_group, by_time),
        profiles=profiles,
        question=question,
        groups=groups,
        overall=by_group if by_group is not groups else None,
        charts=charts,
        notes=notes,
    ), totals


def _only(groups: "Groups", question: Question, scan: Any, time: bool) -> "Groups | None":
    """The measures by time alone or by group alone; None where that was not asked."""
    from jobs.kinds._report.grouping import grouped

    if (time and not question.bucket) or (not time and not question.group_by):
        return None
    if not (question.bucket and question.group_by):
        return groups
    return grouped(scan, question, () if time else question.group_by, bucket=time)


def _documents(
    report: "Report", formats: list[str], folder: Path, progress: Callable[[str, float], None], ctx: Context
) -> list[dict[str, Any]]:
    """Write and keep one file per format."""
    from jobs.kinds._report.documents.html import write_html
    from jobs.kinds._report.documents.pdf import write_pdf
    from jobs.kinds._report.documents.sheets import write_csv, write_xlsx

    stem = slugify(report.title)[:60] or "report"
    press = folder / "press"
    press.mkdir(exist_ok=True)
    writers: dict[str, tuple[Callable[[Path], None], str]] = {
        "pdf": (lambda path: write_pdf(report, path, press, formats), "application/pdf"),
        "html": (lambda path: write_html(report, path, formats), "text/html"),
        "xlsx": (
            lambda path: write_xlsx(report, path),
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
        "csv": (lambda path: write_csv(report, path), "text/csv"),
    }
    kept = []
    for at, (name, (write, content_type)) in enumerate((name, writers[name]) for name in FORMATS if name in formats):
        progress(f"Writing {name.upper()}", at / len(formats))
        path = folder / f"{stem}.{name}"
        write(path)
        kept.append(ctx.save(path.name, path, content_type))
    progress("Done", 1)
    return kept
