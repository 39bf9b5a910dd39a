"""Fetch feeds: hundreds of RSS, Atom and JSON feeds, or plain URLs, at once."""

import csv
import json
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any, ClassVar

from django import forms

from jobs.core.errors import PermanentError
from jobs.core.fields import KB, MB, UploadField, size_in_words
from jobs.core.kind import Context, Kind
from jobs.core.retry import Exponential, Retry
from jobs.kinds._feeds import lists
from jobs.kinds._feeds.gathering import ACCEPT, Gathering, Outcome
from jobs.kinds._feeds.memory import Memory
from jobs.kinds._given import content_of
from jobs.kinds._net.client import Request
from jobs.kinds._tables import choices
from jobs.kinds._tables.choices import Choice

COLUMNS = (
    "url", "final_url", "result", "status", "type", "title", "items", "newest", "bytes", "ms", "error",
)  # fmt: skip
#: [bytes of JSON] of the rows in the result; feeds.csv has them all.
MOST_ROWS = 40 * KB
#: What all bodies in the air may hold together [bytes].
MOST_AT_ONCE = 1024 * MB
#: Size of items.jsonl [bytes].
MOST_LINES = 100 * MB


class NothingAnswered(Exception):
    """Not one URL could be fetched; a later attempt may be luckier."""


class FeedsForm(Kind.Form):
    """The parameters; the list is read here, so that nothing unusable is accepted."""

    urls = forms.CharField(
        label="URLs",
        required=False,
        max_length=1_000_000,
        strip=True,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "placeholder": "https://example.org/feed.xml"}),
        help_text="One a line: feeds (RSS, Atom, JSON) or any pages.",
    )
    file = UploadField(
        label="List as a file",
        required=False,
        accept=(".txt", ".csv", ".tsv", ".opml", ".xml"),
        max_size=5 * MB,
        help_text="Text with one URL a line, CSV with a column “url”, or OPML. Up to 5 MB, 10,000 URLs.",
    )
    encoding, separator, _, header = choices.fields()
    fieldsets: ClassVar[tuple[choices.Fieldset, ...]] = (choices.FIELDSET,)
    only_changed = forms.BooleanField(
        label="Only what has changed since the last run of this list",
        required=False,
        help_text="Servers are asked for newer versions only. Each owner's lists are remembered for 90 days.",
    )
    at_once = forms.IntegerField(label="At once", initial=100, min_value=1, max_value=500)
    timeout = forms.FloatField(
        label="Time for each URL [s]", initial=20, min_value=0.5, max_value=300, help_text="Redirects included."
    )
    max_size = forms.FloatField(label="Largest answer [MB]", initial=2, min_value=0.01, max_value=50)
    max_redirects = forms.IntegerField(label="Redirects followed", initial=5, min_value=0, max_value=20)

    def clean(self) -> dict[str, Any]:
        data = self.cleaned_data
        if {"at_once", "max_size"} <= data.keys():
            together = data["at_once"] * data["max_size"] * MB
            if together > MOST_AT_ONCE:
                fits = int(MOST_AT_ONCE / (data["max_size"] * MB))
                self.add_error("at_once", f"With answers of up to {data['max_size']:g} MB at most {fits} at once.")
        if {"urls", "file"} <= data.keys():
            self._check_list(data)
        return data

    def _check_list(self, data: dict[str, Any]) -> None:
        if not data["urls"] and not data["file"]:
            self.add_error("urls", "Name at least one URL, or give a list as a file.")
            return
        for name, text, files in (("urls", data["urls"], []), ("file", "", data["file"])):
            try:
                listed(text, files, Choice.from_params(data))
            except lists.Unusable as error:
                self.add_error(name, str(error))
        if not self.errors:
            try:
                if not listed(data["urls"], data["file"], Choice.from_params(data)).urls:
                    self.add_error("file" if data["file"] else "urls", "There is no URL in it.")
            except lists.Unusable as error:
                self.add_error("urls", str(error))


def listed(text: str, files: list[Any], choice: Choice) -> lists.UrlList:
    """The URLs of both fields. Raises lists.Unusable."""
    file = files[0] if files else None
    return lists.of(text, file.name if file else "", content_of(file) if file else None, choice=choice)


class FetchFeeds(Kind):
    """Fetch hundreds of feeds or pages at once, and list their items.

    Makes feeds.csv, one row for each URL, and items.jsonl, one line for each item.
    """

    slug, label, pool, order = "feeds", "Fetch feeds", "io", 40
    retry = Retry(on=(NothingAnswered,), attempts=3, backoff=Exponential(base=30, cap=300))
    time_limit = 4 * 3600
    idempotent = True
    Form = FeedsForm

    @classmethod
    def title(cls, params: Mapping[str, Any]) -> str:
        if files := params.get("file"):
            return f"Fetch the feeds of {files[0]['name']}"
        lines = [line.strip() for line in (params.get("urls") or "").splitlines()]
        urls = [line for line in lines if line and not line.startswith("#")]
        return f"Fetch {urls[0][:120]}" if len(urls) == 1 else f"Fetch {len(urls):,} feeds"

    @classmethod
    def preview(cls, cleaned: Mapping[str, Any]) -> list[tuple[str, str]]:
        try:
            found = listed(cleaned.get("urls") or "", cleaned.get("file") or [], Choice.from_params(cleaned))
        except lists.Unusable:
            return []
        if not found.urls:
            return []
        count = len(found.urls)
        at_once = min(cleaned.get("at_once") or 1, count)
        rows = [("Fetches", f"{count:,} URL{'' if count == 1 else 's'}, {at_once} at a time")]
        if found.duplicates:
            rows.append(("Duplicates", f"{found.duplicates:,}, fetched once"))
        rows.append(("First", found.urls[0]))
        return rows

    def run(self, params: dict[str, Any], ctx: Context) -> dict[str, Any]:
        file = params["file"][0] if params["file"] else None
        try:
            content = ctx.open(file).read() if file else None
            # A long list is read in steps: other jobs of the same event loop go on between them.
            name, choice = file["name"] if file else "", Choice.from_params(params)
            urls = lists.of(params["urls"], name, content, lambda: time.sleep(0), choice).urls
        except lists.Unusable as error:
            raise PermanentError(str(error)) from error
        memory = Memory(urls, ctx) if params["only_changed"] else None
        known = memory.load() if memory else {}
        requests = [_request(url, params, known.get(url, {})) for url in urls]
        tally = _gather(requests, params["at_once"], ctx)
        _save_table(tally.outcomes, ctx)
        if tally.answered == 0:
            _refuse(tally.outcomes)
        if memory:
            memory.save({**known, **{found.url: found.validators for found in tally.outcomes if found.validators}})
        return tally.result()


def _request(url: str, params: Mapping[str, Any], conditions: dict[str, str]) -> Request:
    return Request(
        url,
        headers={"Accept": ACCEPT, **conditions},
        timeout=params["timeout"],
        max_size=int(params["max_size"] * MB),
        max_redirects=params["max_redirects"],
    )


@dataclass
class Tally:
    """The outcomes so far, and when."""

    started: float = field(default_factory=time.monotonic)
    outcomes: list[Outcome] = field(default_factory=list)
    items: int = 0
    #: Items that items.jsonl had no room for.
    left_out: int = 0
    fetched_at: float = 0.0

    @property
    def answered(self) -> int:
        return sum(found.result != "failed" for found in self.outcomes)

    def add(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.items += outcome.items
        self.fetched_at = max(self.fetched_at, outcome.fetched_at)

    def result(self) -> dict[str, Any]:
        total, answered = len(self.outcomes), self.answered
        unchanged = sum(found.result == "unchanged" for found in self.outcomes)
        fetching = max(self.fetched_at - self.started, 0.001)
        whole = max(time.monotonic() - self.started, 0.001)
        told = f"{unchanged:,} of them unchanged, " if unchanged else ""
        told += f"{self.items:,} item{'' if self.items == 1 else 's'}"
        return {
            "summary": f"{answered:,} of {total:,} feeds answered, {told}.",
            "urls": total,
            "answered": answered,
            "unchanged": unchanged,
            "failed": total - answered,
            "items": self.items,
            **({"items_left_out": self.left_out} if self.left_out else {}),
            "bytes": sum(found.size for found in self.outcomes),
            "seconds": round(whole, 2),
            "fetched_per_second": round(total / fetching, 1),
            "finished_per_second": round(total / whole, 1),
            "reading_ms_each": round(sum(found.reading for found in self.outcomes) / total * 1000, 2),
            "feeds": _rows(self.outcomes),
        }


def _gather(requests: list[Request], at_once: int, ctx: Context) -> Tally:
    tally, total = Tally(), len(requests)
    path: Path = ctx.tempdir() / "items.jsonl"
    ctx.progress(0, total, "fetched")
    # Closed by name: what a loop's body raises would leave the threads at work until it is forgotten.
    with path.open("wb") as items, closing(iter(Gathering(requests, at_once, ctx))) as outcomes:
        for outcome in outcomes:
            if items.tell() + len(outcome.lines) <= MOST_LINES:
                items.write(outcome.lines)
            else:
                tally.left_out += outcome.items
            outcome.lines = b""
            tally.add(outcome)
            ctx.progress(len(tally.outcomes), total, "fetched")
    tally.outcomes.sort(key=attrgetter("place"))
    if tally.left_out:
        ctx.log(f"items.jsonl is full at {size_in_words(MOST_LINES)}: {tally.left_out:,} items are not in it.")
    if tally.items:
        ctx.save("items.jsonl", path, "application/jsonl")
    return tally


def _save_table(outcomes: list[Outcome], ctx: Context) -> None:
    path = ctx.tempdir() / "feeds.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([_harmless(value) for value in _row(outcome).values()] for outcome in outcomes)
    ctx.save("feeds.csv", path, "text/csv")


def _row(outcome: Outcome) -> dict[str, Any]:
    return {
        name: getattr(outcome, "size" if name == "bytes" else name) if name != "status" else outcome.status or ""
        for name in COLUMNS
    }


def _harmless(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula; titles are whatever the feeds' authors wrote."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value


def _rows(outcomes: list[Outcome]) -> list[dict[str, Any]]:
    """Rows for the page: what failed first, as many as fit."""
    rows, size = [], 0
    for outcome in sorted(outcomes, key=lambda found: found.result != "failed"):
        row = {name: value[:300] if isinstance(value, str) else value for name, value in _row(outcome).items()}
        size += len(json.dumps(row))
        if size > MOST_ROWS:
            break
        rows.append(row)
    return rows


def _refuse(outcomes: list[Outcome]) -> None:
    """Raises: a job in which nothing was fetched has failed."""
    first = outcomes[0]
    count = len(outcomes)
    text = first.error if count == 1 else f"None of {count:,} URLs could be fetched. {first.url}: {first.error}"
    if any(found.may_pass for found in outcomes):
        raise NothingAnswered(text)
    raise PermanentError(text)
