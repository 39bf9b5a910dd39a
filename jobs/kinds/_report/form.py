"""The form of a report. What can be told from a header is told here, before anything is queued."""

from datetime import datetime
from typing import Any

from django import forms

from jobs.core.fields import MB, UploadField
from jobs.core.kind import Kind
from jobs.core.moment import bound
from jobs.kinds._report import history
from jobs.kinds._report.choices import (
    BAD_VALUES,
    BUCKETS,
    FORMATS,
    MEASURES,
    SOURCES,
    find_column,
    no_column,
    split_names,
)
from jobs.kinds._tables import choices
from jobs.kinds._tables.choices import Choice
from jobs.kinds._tables.peek import columns_of
from jobs.kinds._tables.text import SUFFIXES

ACCEPT = (*SUFFIXES, ".xlsx", ".jsonl", ".ndjson", ".parquet")


class ReportForm(Kind.Form):
    source = forms.ChoiceField(
        label="Report on", choices=list(SOURCES.items()), initial="file", widget=forms.RadioSelect
    )
    table = UploadField(
        label="Table",
        required=False,
        accept=ACCEPT,
        max_size=500 * MB,
        help_text="CSV, XLSX, JSON Lines or Parquet, up to 500 MB. The first row names the columns.",
    )
    encoding, separator, sheet, header = choices.fields()
    fieldsets = (choices.FIELDSET,)
    since = forms.CharField(
        required=False,
        initial="7d",
        max_length=40,
        help_text="For job history: jobs submitted since this date, date and time, or so long ago (24h, 7d). "
        "Empty: since the first.",
    )
    until = forms.CharField(
        required=False,
        max_length=40,
        help_text="For job history: until this date (all of it) or time. Empty: until now.",
    )
    group_by = forms.CharField(
        required=False, max_length=1000, help_text="Names of columns, with commas between them. Empty: no groups."
    )
    measure = forms.CharField(
        label="Measured column", required=False, max_length=200, help_text="A column with numbers, such as amount."
    )
    measures = forms.MultipleChoiceField(
        required=False,
        choices=list(MEASURES.items()),
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: rows, and with a measured column also sum, mean, median and 95th percentile. "
        "Groups are ordered by the first.",
    )
    bucket = forms.ChoiceField(label="By time", required=False, choices=[("", "No"), *BUCKETS.items()])
    bucket_column = forms.CharField(
        label="Date column", required=False, max_length=200, help_text="Needed where the table has several."
    )
    bad_values = forms.ChoiceField(
        label="Values that do not fit",
        required=False,
        choices=list(BAD_VALUES.items()),
        initial="refuse",
        help_text="A text in a column of numbers or dates.",
    )
    title = forms.CharField(required=False, max_length=150, help_text="Empty: made from the source and the groups.")
    formats = forms.MultipleChoiceField(
        choices=list(FORMATS.items()), initial=["pdf", "xlsx"], widget=forms.CheckboxSelectMultiple
    )

    def clean_measures(self) -> list[str]:
        return [name for name in MEASURES if name in self.cleaned_data["measures"]]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        from_file = data.get("source") == "file"
        if from_file and not data.get("table") and "table" not in self.errors:
            self.add_error("table", "Choose a table, or report on the job history.")
        if set(data.get("measures") or []) - {"count"} and not data.get("measure"):
            self.add_error("measure", "Name the column to measure, or tick only Rows.")
        if data.get("bucket_column") and not data.get("bucket"):
            self.add_error("bucket", f"Choose hour, day, week or month for the date column {data['bucket_column']!r}.")
        self._check_period(data)
        self._check_columns(data, from_file)
        return data

    def _check_period(self, data: dict[str, Any]) -> None:
        since, until = (self._bound(name) for name in ("since", "until"))
        if data.get("source") == "jobs" and since and until and since >= until:
            self.add_error("until", "Must be after the start.")

    def _bound(self, name: str) -> datetime | None:
        try:
            text = self.cleaned_data.get(name) or ""
            return bound(text, end=name == "until") if text else None
        except ValueError as error:
            self.add_error(name, str(error))
            return None

    def _check_columns(self, data: dict[str, Any], from_file: bool) -> None:
        columns = columns_of(data.get("table"), Choice.from_params(data)) if from_file else list(history.COLUMNS)
        if not columns:
            return
        asked = [("group_by", name) for name in split_names(data.get("group_by") or "")]
        asked += [(field, data[field]) for field in ("measure", "bucket_column") if data.get(field)]
        for field, name in asked:
            if find_column(name, columns) is None:
                self.add_error(field, no_column(name, columns))
