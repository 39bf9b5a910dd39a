import csv
import datetime as dt
import json
import re

import polars as pl
import pytest
from python_calamine import CalamineWorkbook

from jobs.core.errors import Cancelled, PermanentError
from jobs.kinds._export import writers
from jobs.kinds._export.columns import COLUMNS
from jobs.kinds._tables import cells
from jobs.kinds.export import ExportJobs
from jobs.models import Job
from tests.unit.contexts import RecordingContext
from tests.unit.job_rows import alice, bob, make_job, olga, users  # noqa: F401


@pytest.fixture
def ctx(tmp_path):
    return RecordingContext(tmp_path, owner="olga")


def form(**params):
    return ExportJobs.Form({"format": "csv", **params})


def run(ctx, **params):
    filled = form(**params)
    assert filled.is_valid(), filled.errors
    return ExportJobs().run(filled.cleaned_data, ctx)


def rows(ctx):
    """The saved file's rows as dicts, whatever its format."""
    (path,) = ctx.saved.values()
    match path.suffix:
        case ".csv":
            with path.open(encoding="utf-8-sig", newline="") as file:
                return list(csv.DictReader(file))
        case ".jsonl":
            return [json.loads(line) for line in path.read_text().splitlines()]
        case ".parquet":
            return pl.read_parquet(path).to_dicts()
    return pl.read_excel(path).to_dicts()


@pytest.fixture
def history(users):  # noqa: F811
    now = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
    return [
        make_job("Grüße, \"Welt\"\nzwei", owner=users["alice"], created=now, started_at=now + dt.timedelta(seconds=2),
                 finished_at=now + dt.timedelta(seconds=5.5), worker="io@a", priority=0),
        make_job("=HYPERLINK(1)", "image", users["bob"], "FAILURE", error_type="OSError", error="@x", attempt=3),
        make_job("waits", "sleep", users["alice"], "PENDING", ago=10),
    ]  # fmt: skip


# --- formats -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["csv", "jsonl", "xlsx", "parquet"])
def test_each_format_tells_the_same(ctx, history, name):
    result = run(ctx, format=name)
    found = {row["title"]: row for row in rows(ctx)}
    assert result["jobs"] == len(found) == 3
    first = found['Grüße, "Welt"\nzwei']
    assert (first["owner"], first["state"], first["priority"]) == ("alice", "Succeeded", "urgent")
    assert float(first["took"]) == 3.5 and float(first["waited"]) == 2.0
    created = first["created (UTC)" if name == "xlsx" else "created"]
    expected = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
    match name:
        case "xlsx":
            assert created == expected.replace(tzinfo=None)
        case "parquet":
            assert created == expected
        case _:
            assert created == "2026-11-20T12:00:00.000Z"
    assert found["waits"]["took"] in (None, "") and found["waits"]["error"] in (None, "")


def test_parquet_is_typed(ctx, history):
    run(ctx, format="parquet")
    (path,) = ctx.saved.values()
    schema = pl.read_parquet_schema(path)
    assert list(schema) == list(COLUMNS)
    assert (schema["attempts"], schema["created"], schema["took"]) == (pl.Int64, pl.Datetime("us", "UTC"), pl.Float64)


def test_no_text_runs_as_a_formula(ctx, history, tmp_path):
    run(ctx, kind="image")
    assert (rows(ctx)[0]["title"], rows(ctx)[0]["error"]) == ("'=HYPERLINK(1)", "'@x")
    sheet = RecordingContext(tmp_path, owner="olga")
    run(sheet, kind="image", format="xlsx")
    assert rows(sheet)[0]["title"] == "=HYPERLINK(1)"  # a text, as its type says: Excel would show a formula's value
    (path,) = sheet.saved.values()
    import zipfile

    with zipfile.ZipFile(path) as book:
        assert b"<f>" not in book.read("xl/worksheets/sheet1.xml")


@pytest.mark.parametrize("name", ["csv", "jsonl", "xlsx", "parquet"])
def test_no_jobs_are_a_file_with_columns_only(ctx, users, name):  # noqa: F811
    assert run(ctx, format=name)["summary"].startswith("0 jobs")
    assert rows(ctx) == []


def test_a_sheet_takes_the_newest_and_says_how_many_it_left_out(ctx, history, monkeypatch):
    monkeypatch.setattr(cells, "MOST_ROWS", 3)
    monkeypatch.setattr("jobs.kinds.export.MOST_ROWS", 3)
    result = run(ctx, format="xlsx")
    assert (result["jobs"], result["left_out"]) == (2, 1) and "choose CSV for all" in result["summary"]
    assert history[0].title not in {row["title"] for row in rows(ctx)}


# --- the filter --------------------------------------------------------------------------------------


def test_the_filter_is_that_of_the_page_jobs(ctx, history, tmp_path):
    run(ctx, q="state:failed hyperlink")
    assert [row["title"] for row in rows(ctx)] == ["'=HYPERLINK(1)"]
    fields = RecordingContext(tmp_path, owner="olga")
    run(fields, owner="alice", state="queued")
    assert [row["title"] for row in rows(fields)] == ["waits"]


@pytest.mark.parametrize(
    "params, field, message",
    [
        ({"q": "colour:red"}, "q", "“colour:” is unknown"),
        ({"state": "broken"}, "state", "is no state"),
        ({"since": "yesterdayish"}, "since", "is no time"),
        ({"format": "pdf"}, "format", "Select a valid choice"),
    ],
)
def test_a_wrong_filter_is_told_beside_its_field(db, params, field, message):
    filled = form(**params)
    assert not filled.is_valid() and message in filled.errors[field][0]


def test_submitters_export_their_own_jobs_only(history, tmp_path):
    mine = RecordingContext(tmp_path, owner="bob")
    run(mine)
    assert [row["owner"] for row in rows(mine)] == ["bob"]
    with pytest.raises(PermanentError, match="Only your own jobs"):
        run(RecordingContext(tmp_path, owner="bob"), owner="alice")


def test_who_is_gone_exports_nothing(history, tmp_path, users):  # noqa: F811
    users["alice"].is_active = False
    users["alice"].save()
    with pytest.raises(PermanentError, match="no active account"):
        run(RecordingContext(tmp_path, owner="alice"))
    with pytest.raises(PermanentError, match="no active account"):
        run(RecordingContext(tmp_path, owner="nobody"))


# --- at length ---------------------------------------------------------------------------------------


def test_many_jobs_are_read_page_by_page_with_progress(ctx, users):  # noqa: F811
    Job.objects.bulk_create([Job(kind="add", title=str(number), queue="io") for number in range(1750)])
    result = run(ctx)
    assert result["jobs"] == len({row["title"] for row in rows(ctx)}) == 1750
    assert [report[:2] for report in ctx.reports] == [(0, 1750), (500, 1750), (1000, 1750), (1500, 1750), (1750, 1750)]


def test_parquet_goes_to_disk_part_by_part(tmp_path, monkeypatch):
    monkeypatch.setattr(writers, "PART", 2)
    parts = []

    def rows():
        for number in range(5):
            parts.append(len(list(tmp_path.iterdir())))
            yield [number if kind is int else kind() if kind in (str, float) else None for kind in COLUMNS.values()]

    target = tmp_path / "jobs.parquet"
    assert writers.write_parquet(rows(), target) == 5
    assert parts == [0, 0, 1, 1, 2], "of rows that were taken no more than a part is in memory"
    assert pl.read_parquet(target)["attempts"].to_list() == [0, 1, 2, 3, 4]
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("name", ["csv", "parquet"])
def test_it_can_be_cancelled_half_way(users, tmp_path, name):  # noqa: F811
    Job.objects.bulk_create([Job(kind="add", title=str(number), queue="io") for number in range(1200)])
    ctx = RecordingContext(tmp_path, owner="olga", cancel_at=1)
    with pytest.raises(Cancelled):
        run(ctx, format=name)
    assert not ctx.saved


def test_sheets_of_this_export_are_readable_by_others(ctx, history):
    run(ctx, format="xlsx")
    (path,) = ctx.saved.values()
    assert CalamineWorkbook.from_path(path).sheet_names == ["Jobs"]


# --- from the page Jobs ------------------------------------------------------------------------------


def test_the_page_jobs_opens_the_form_with_its_filter(client, users):  # noqa: F811
    client.force_login(users["olga"])
    page = client.get("/jobs/", {"state": "failed", "q": 'error:"timed out"'}).content.decode()
    assert 'href="/new/export?state=failed&amp;q=error%3A%22timed+out%22"' in page
    filled_in = client.get("/new/export", {"state": "failed", "q": 'error:"timed out"'}).content.decode()
    assert 'value="failed"' in filled_in and 'value="error:&quot;timed out&quot;"' in filled_in
    assert re.search(r"<details[^>]* open>\s*<summary>Filter", filled_in), "what was asked is not hidden"
    assert not re.search(r"<details[^>]* open>\s*<summary>Filter", client.get("/new/export").content.decode())


def test_addresses_in_a_result_are_links_and_nothing_else_is():
    from django.template import Context, Template

    template = Template("{% load jobsite %}{{ cell|linked }}")
    shown = template.render(Context({"cell": 'https://example.org/a"><script>'}))
    assert shown.startswith('<a href="https://example.org/a&quot;') and "<script>" not in shown
    assert template.render(Context({"cell": "javascript:alert(1)"})) == "javascript:alert(1)"
    assert template.render(Context({"cell": "<b>"})) == "&lt;b&gt;"
