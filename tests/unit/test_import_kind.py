import csv
import datetime as dt
import json

import pytest
import xlsxwriter

from jobs.core.errors import Cancelled, OverQuota, PermanentError, Refused
from jobs.kinds.import_jobs import ImportJobs
from jobs.models import Artifact, Job
from jobs.submit import submit, submit_many
from tests.unit.contexts import RecordingContext
from tests.unit.import_files import form, numbers, run
from tests.unit.job_rows import alice, bob, olga, users  # noqa: F401


@pytest.fixture
def ctx(tmp_path, alice):  # noqa: F811
    return RecordingContext(tmp_path, job_id="import-1")


def lines(ctx, name):
    with ctx.saved[name].open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


# --- what is imported --------------------------------------------------------------------------------


def test_each_row_becomes_a_job_of_the_importing_owner(ctx, alice):  # noqa: F811
    result = run(ctx, "x,y\n1,2\n3,4.5\n")
    assert numbers() == [(1.0, 2.0), (3.0, 4.5)]
    assert {(job.owner, job.via, job.kind, job.state) for job in Job.objects.all()} == {
        (alice, "import", "add", "PENDING")
    }
    assert (result["imported"], result["wrong"], result["summary"]) == (2, 0, "2 rows imported.")
    head, *made = lines(ctx, "jobs.csv")
    assert head == ["line", "job", "link"]
    assert [row[:2] for row in made] == [[str(at), job.id] for at, job in enumerate(Job.objects.order_by("seq"), 2)]
    assert made[0][2].endswith(f"/jobs/{made[0][1]}/") and result["first_jobs"][0]["job"] == made[0][2]


def test_columns_are_found_by_name_label_and_the_map_and_the_rest_is_told(ctx):
    result = run(ctx, "First Number;Zweite Zahl;note\n1;2;hello\n", columns="zweite zahl = y")
    assert numbers() == [(1.0, 2.0)]
    assert result["not_used"] == "note"


def test_an_empty_cell_leaves_the_default(ctx):
    run(ctx, "x,y\n1,\n")
    assert numbers() == [(1.0, 3.0)]


def test_json_lines_keep_their_types(ctx):
    rows = [{"failures": 1, "permanent": True}, {"failures": 0, "permanent": False}, {"permanent": None}]
    run(ctx, "\n".join(map(json.dumps, rows)), "jobs.jsonl", kind="flaky")
    found = [(job.params["failures"], job.params["permanent"]) for job in Job.objects.order_by("seq")]
    assert found == [(1, True), (0, False), (2, False)]


def test_a_sheet_gives_whole_numbers_and_leaves_out_blank_rows(ctx, tmp_path):
    path = tmp_path / "sheet.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["to", "pause"])
        sheet.write_row(1, 0, [5, 0.5])
        sheet.write_row(3, 0, [7, 1])
    run(ctx, path.read_bytes(), "sheet.xlsx", kind="count")
    assert [(job.params["to"], job.params["pause"]) for job in Job.objects.order_by("seq")] == [(5, 0.5), (7, 1.0)]
    assert [row[0] for row in lines(ctx, "jobs.csv")] == ["row", "2", "4"]


@pytest.mark.parametrize("word, expected", [("yes", True), ("0", False), ("FALSE", False), ("x", True)])
def test_words_for_yes_and_no(ctx, word, expected):
    run(ctx, f"failures,permanent\n1,{word}\n", kind="flaky")
    assert Job.objects.get().params["permanent"] is expected


# --- what is wrong -----------------------------------------------------------------------------------

WRONG = "x,y\n1,2\nabc,2\n3,=1+1\n4,5,6\n7,8\n"


def test_nothing_is_imported_where_a_row_is_wrong(ctx):
    with pytest.raises(PermanentError, match="Nothing was imported: 3 of 5 rows wrong") as refused:
        run(ctx, WRONG)
    assert "Line 3, x: Enter a number." in str(refused.value)
    assert "Line 5, all: Has 3 fields where the header has 2." in str(refused.value)
    assert not Job.objects.exists()
    assert lines(ctx, "errors.csv") == [
        ["line", "column", "parameter", "value", "error"],
        ["3", "x", "x", "abc", "Enter a number."],
        ["4", "y", "y", "'=1+1", "Enter a number."],
        ["5", "", "", "", "Has 3 fields where the header has 2."],
    ]


def test_only_the_valid_rows_where_that_is_asked(ctx):
    result = run(ctx, WRONG, rows="valid")
    assert numbers() == [(1.0, 2.0), (7.0, 8.0)]
    assert (result["imported"], result["wrong"]) == (2, 3)
    assert result["first_errors"][0] == {"line": 3, "column": "x", "error": "Enter a number."}


def test_a_dry_run_checks_and_starts_nothing(ctx):
    result = run(ctx, WRONG, dry_run=True)
    assert (result["imported"], result["wrong"]) == (0, 3)
    assert result["summary"] == "2 rows can be imported; 3 of 5 wrong."
    assert not Job.objects.exists() and set(ctx.saved) == {"errors.csv"}


def test_the_result_shows_the_first_twenty_errors_and_the_file_all(ctx):
    content = "x,y\n" + "a,1\n" * 50
    result = run(ctx, content, rows="valid")
    assert len(result["first_errors"]) == 20 and len(lines(ctx, "errors.csv")) == 51
    with pytest.raises(PermanentError, match="and 30 more, in errors"):
        run(ctx, content)


@pytest.mark.parametrize(
    "content, columns, message",
    [
        ("a,b\n1,2\n", "", "No column is called like a parameter"),
        ("x,y\n1,2\n", "z = x", "There is no column 'z'"),
        ("x,y\n1,2\n", "x = w", "there is no parameter 'w'"),
        ("x,y\n1,2\n", "x", "is no pair"),
        ("x,y,z\n1,2,3\n", "x = x\nz = x", "given twice"),
    ],
)
def test_a_wrong_map_is_told_by_the_form(content, columns, message):
    filled = form(content, columns=columns)
    assert not filled.is_valid() and message in filled.errors["columns"][0]


def test_a_map_that_only_the_file_shows_to_be_wrong_fails_the_job(ctx):
    with pytest.raises(PermanentError, match="No column is called like a parameter"):
        run(ctx, '{"a": 1}\n', "jobs.jsonl")


def test_kinds_for_operators_are_imported_by_operators_only(ctx, users, tmp_path):  # noqa: F811
    with pytest.raises(PermanentError, match="Only operators may submit"):
        run(ctx, "older_than\n30\n", kind="cleanup")
    run(RecordingContext(tmp_path, owner="olga"), "older_than\n30\n", kind="cleanup")
    assert Job.objects.get().owner == users["olga"]


def test_files_of_others_are_not_to_be_had(ctx, users):  # noqa: F811
    theirs = Artifact.objects.create(owner=users["bob"], is_input=True, name="a.png", size=1, path="inputs/a.png")
    with pytest.raises(PermanentError, match="No stored file"):
        run(ctx, f"images\n{theirs.id}\n", kind="image")


# --- twice -------------------------------------------------------------------------------------------


def test_run_twice_it_makes_no_job_twice(ctx):
    content = "x,y\n" + "".join(f"{number},0\n" for number in range(450))
    first, again = run(ctx, content), run(ctx, content)
    assert first["imported"] == again["imported"] == Job.objects.count() == 450
    assert first["first_jobs"] == again["first_jobs"]


def test_cancelled_half_way_a_second_run_goes_on(ctx, tmp_path):
    content = "x,y\n" + "".join(f"{number},0\n" for number in range(450))
    stopped = RecordingContext(tmp_path, job_id="import-1", cancel_at=6)
    with pytest.raises(Cancelled):
        run(stopped, content)
    assert 0 < Job.objects.count() < 450
    assert run(ctx, content)["imported"] == Job.objects.count() == 450
    assert sorted(x for x, _ in numbers()) == list(range(450))


def test_another_import_of_the_same_file_makes_jobs_of_its_own(ctx, tmp_path):
    run(ctx, "x,y\n1,2\n")
    run(RecordingContext(tmp_path, job_id="import-2"), "x,y\n1,2\n")
    assert Job.objects.count() == 2


def test_past_the_quota_it_is_tried_again_and_goes_on(ctx, settings):
    content = "x,y\n" + "".join(f"{number},0\n" for number in range(450))
    settings.QUOTA_UNFINISHED = 300
    with pytest.raises(OverQuota):
        run(ctx, content)
    assert Job.objects.count() == 200 and ImportJobs.retry.delay_after(OverQuota(), 1)
    Job.objects.update(state="SUCCESS")
    assert run(ctx, content)["imported"] == Job.objects.count() == 450


def test_keys_in_bulk_answer_the_jobs_that_they_made_before(alice):  # noqa: F811
    old = submit("add", {"x": 1}, user=alice, idempotency_key="b")
    made = submit_many("add", [{"x": 0}, {"x": 1}, {"x": 2}], user=alice, keys=["a", "b", "c"])
    assert [job.params["x"] for job in made] == [0, 1, 2] and made[1].id == old.id
    assert [job.id for job in submit_many("add", [{}, {}, {}], user=alice, keys=["a", "b", "c"])] == [
        job.id for job in made
    ]
    assert Job.objects.count() == 3


def test_operators_only_is_checked_at_the_door(users):  # noqa: F811
    with pytest.raises(Refused, match="Only operators may submit"):
        submit("cleanup", {"older_than": 30}, user=users["alice"])
    with pytest.raises(Refused, match="Only operators may submit"):
        submit_many("cleanup", [{"older_than": 30}], user=users["alice"])


def test_progress_runs_from_checking_to_the_end(ctx):
    run(ctx, WRONG, rows="valid")
    assert ctx.reports[0] == (0, 10, "checked") and ctx.reports[-1] == (10, 10, "imported")


def test_a_day_in_a_sheet_fits_a_date_field():
    from django import forms

    from jobs.kinds._import.values import parameter

    midnight = dt.datetime(2026, 11, 21)
    assert parameter(forms.DateField(), midnight) == "2026-11-21"
    assert parameter(forms.DateTimeField(), midnight) == "2026-11-21T00:00:00"
    assert parameter(forms.CharField(), 3.0) == 3
