"""What a submitter may ask for, and the words for it."""

import csv
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

SOURCES = {"file": "An uploaded table", "jobs": "Jobsite's own job history"}
MEASURES = {
    "count": "Rows",
    "sum": "Sum",
    "mean": "Mean",
    "min": "Minimum",
    "max": "Maximum",
    "median": "Median",
    "p90": "90th percentile",
    "p95": "95th percentile",
}
#: Taken where none is ticked and a column is measured.
USUAL_MEASURES = ("count", "sum", "mean", "median", "p95")
BUCKETS = {"hour": "Hour", "day": "Day", "week": "Week", "month": "Month"}
FORMATS = {"pdf": "PDF", "html": "HTML", "xlsx": "Excel (XLSX)", "csv": "CSV"}
BAD_VALUES = {"refuse": "Stop and name the line", "missing": "Count them as missing"}


@dataclass(frozen=True)
class Question:
    """What is asked of the table. Names are as the submitter wrote them until `grouping.settle`."""

    group_by: tuple[str, ...] = ()
    measure: str = ""
    #: The first is that of the headline, the order and the charts.
    measures: tuple[str, ...] = ()
    #: The same as they were asked for, the order of columns in files for machines.
    columns: tuple[str, ...] = ()
    bucket: str = ""
    bucket_column: str = ""
    bad_as_missing: bool = False

    @classmethod
    def from_params(cls, params: dict[str, Any]) -> "Question":
        measure = params.get("measure") or ""
        columns = tuple(params.get("measures") or ()) or (USUAL_MEASURES if measure else ("count",))
        measures = columns
        if measure and len(measures) > 1 and measures[0] == "count":
            # Whoever names a column wants it in the headline, the order and the charts.
            measures = (measures[1], "count", *measures[2:])
        return cls(
            group_by=tuple(split_names(params.get("group_by") or "")),
            measure=measure,
            measures=measures,
            columns=columns,
            bucket=params.get("bucket") or "",
            bucket_column=params.get("bucket_column") or "",
            bad_as_missing=params.get("bad_values") == "missing",
        )


def split_names(text: str) -> list[str]:
    """Column names with commas between them; a name that has a comma itself stands in quotation marks."""
    row = next(csv.reader([text.replace("\n", " ")], skipinitialspace=True), [])
    return list(dict.fromkeys(name.strip() for name in row if name.strip()))


def find_column(name: str, columns: Iterable[str]) -> str | None:
    """The column of that name, whatever its case; None where there is none."""
    columns, name = list(columns), unicodedata.normalize("NFC", name)
    if name in columns:
        return name
    return next((column for column in columns if column.lower() == name.strip().lower()), None)


def no_column(name: str, columns: Iterable[str]) -> str:
    columns = list(columns)
    more = f" and {len(columns) - 40} more" if len(columns) > 40 else ""
    return f"There is no column {name!r}. The columns are: {', '.join(columns[:40])}{more}."
