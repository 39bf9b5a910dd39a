"""The PDF, set by typst from a fixed template; all text of users reaches it as JSON data, never as markup."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from jobs.kinds._report import words
from jobs.kinds._report.documents.rows import column_rows, listings, number_rows
from jobs.kinds._report.profile import FIGURES
from jobs.kinds._report.story import Report

HERE = Path(__file__).parent
FONTS = HERE.parent / "fonts"
#: Groups that a reader may be expected to look through.
MOST_GROUPS = 40
#: [characters] of an unbroken word, after which it may be broken.
LONGEST_WORD = 18


def write_pdf(report: Report, path: Path, folder: Path, formats: Sequence[str]) -> None:
    """Write the PDF. folder: an empty folder to work in. formats: all that are written."""
    import typst

    shutil.copy(HERE / "report.typ", folder / "report.typ")
    for at, chart in enumerate(report.charts):
        (folder / f"chart{at}.svg").write_text(chart.svg, encoding="utf-8")
    (folder / "data.json").write_text(json.dumps(_data(report, formats), ensure_ascii=False), encoding="utf-8")
    typst.compile(str(folder / "report.typ"), output=str(path), root=str(folder), font_paths=[str(FONTS)])


def _data(report: Report, formats: Sequence[str]) -> Any:
    return _breakable(
        {
            "title": report.title,
            "source": report.source,
            "period": report.period,
            "made": report.made,
            "figures": [list(figure) for figure in report.figures],
            "summary": report.summary,
            "charts": [{"title": chart.title, "note": chart.note} for chart in report.charts],
            "listings": [asdict(listing) for listing in listings(report, MOST_GROUPS, formats)],
            "columns": column_rows(report),
            "numbers": {"heads": ["Column", *FIGURES], "rows": number_rows(report)},
            "notes": report.notes,
            "count": words.many(len(report.profiles), "column"),
        }
    )


def _breakable(data: Any) -> Any:
    """Long words with places to break them, so that no text leaves its cell."""
    match data:
        case dict():
            return {name: _breakable(value) for name, value in data.items()}
        case list():
            return [_breakable(value) for value in data]
        case str():
            return " ".join(_broken(word) for word in data.split(" "))
    return data


def _broken(word: str) -> str:
    if len(word) <= LONGEST_WORD:
        return word
    return "\u200b".join(word[at : at + LONGEST_WORD // 2] for at in range(0, len(word), LONGEST_WORD // 2))
