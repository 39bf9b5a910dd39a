"""The report as one HTML file that needs nothing else."""

from collections.abc import Sequence
from pathlib import Path

from jobs.kinds._report.documents.rows import column_rows, listings, number_rows
from jobs.kinds._report.profile import FIGURES
from jobs.kinds._report.story import Report

#: Groups that a browser shows without effort.
MOST_GROUPS = 1000


def write_html(report: Report, path: Path, formats: Sequence[str]) -> None:
    """Write the page. Django's template escapes every text; the charts' SVG is ours."""
    from django.template import Context, Engine

    template = Engine(dirs=[str(Path(__file__).parent)]).get_template("report.html")
    page = template.render(
        Context(
            {
                "report": report,
                "listings": listings(report, MOST_GROUPS, formats),
                "columns": column_rows(report),
                "number_heads": FIGURES,
                "numbers": number_rows(report),
            }
        )
    )
    path.write_text(page, encoding="utf-8")
