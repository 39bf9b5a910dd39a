import datetime as dt
import subprocess
import sys
import time

import polars as pl
import psutil
import pytest
from django.utils import timezone

from jobs.core.errors import PermanentError
from jobs.core.fields import MB
from jobs.kinds._tables.text import names_of
from jobs.kinds._tables.workbook import explained, read
from jobs.kinds.report import MakeReport
from jobs.models import Job
from tests.unit.contexts import RecordingContext
from tests.unit.report_files import csv_rows, run, saved
from tests.unit.workbooks import FAR, workbook


@pytest.fixture
def ctx(tmp_path):
    return RecordingContext(tmp_path)


# --- text as it comes --------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encodings_and_delimiters_are_found(ctx, encoding, delimiter):
    table = [["Städte", "Größe"], ["Köln", "3"], ["Überlingen", "4"], ["Köln", "5"]]
    content = "\r\n".join(delimiter.join(row) for row in table).encode(encoding)
    run(ctx, content=content, group_by="Städte", measure="Größe", measures=["sum"])
    assert csv_rows(ctx) == [["Städte", "sum of Größe"], ["Köln", "8"], ["Überlingen", "4"]]


def test_a_late_windows_byte_is_read_too(ctx):
    content = b"city,n\n" + b"plain,1\n" * 20_000 + "Köln,2\n".encode("cp1252")
    run(ctx, content=content, group_by="city")
    assert ["Köln", "1"] in csv_rows(ctx)


@pytest.mark.parametrize(
    ("content", "total"),
    [
        ("n;x\n1.234,5;a\n2,5;b\n", 1237.0),
        ('n,x\n"1,234.5",a\n2.5,b\n', 1237.0),
        ("sep=;\nn;x\n1;a\n2;b\n", 3),
        ('n,x\n1,"two\nlines"\n\n2,b\n', 3),
        ("n,x\n 1 ,a\nN/A,b\nnull,b\n2,c\n", 3),
        ("n\n1,50\n2,75\n", 4.25),
        ("n\n1.50\n2.75\n", 4.25),
    ],
)
def test_numbers_are_read_as_people_write_them(ctx, content, total):
    assert run(ctx, content=content, measure="n", measures=["sum"])["figures"]["sum"] == total


@pytest.mark.parametrize(
    ("content", "total", "noted"),
    [
        ("n;x\n1.234;a\n999;b\n-12.345;c\n", -10_112, True),
        ("n;x\n1.234.567;a\n2.000;b\n", 1_236_567, True),
        # What no grouping has: a nought in front, other than three digits behind the point, four in front of it.
        ("n;x\n1.234;a\n0.500;b\n", 1.734, False),
        ("n;x\n1.234;a\n2.5;b\n", 3.734, False),
        ("n;x\n1.234;a\n1000;b\n", 1001.234, False),
        ("n,x\n1.234,a\n999,b\n", 1000.234, False),
        ("n\tx\n1.234\ta\n999\tb\n", 1000.234, False),
        ("n;x\n12;a\n999;b\n", 1011, False),
    ],
)
def test_dots_between_thousands_are_known_by_semicolons_and_told(ctx, content, total, noted):
    result = run(ctx, content=content, measure="n", measures=["sum"], formats=["html"])
    assert result["figures"]["sum"] == pytest.approx(total)
    assert ("n: read with dots between thousands, 1.234 is 1234." in saved(ctx, ".html").read_text()) is noted


@pytest.mark.parametrize(
    ("content", "first"),
    [
        ("d\n31.12.2024\n1.2.2025\n", "2024-12-01"),
        ("d\n12/31/2024\n02/01/2025\n", "2024-12-01"),
        ("d\n31/12/2024\n01/02/2025\n", "2024-12-01"),
        ("d\n2024-12-31T23:30:00Z\n2025-02-01T00:00:00+02:00\n", "2024-12-01"),
    ],
)
def test_dates_are_read_as_people_write_them(ctx, content, first):
    run(ctx, content=content, bucket="month")
    assert csv_rows(ctx)[1][0][:10] == first
    assert len(csv_rows(ctx)) == 3


@pytest.mark.parametrize(
    ("values", "months", "note"),
    [
        (["31.12.99", "05.03.24", "1.2.50"], ["1950-02-01", "1999-12-01", "2024-03-01"], "day.month.year"),
        (["12/31/99", "02/01/49"], ["1999-12-01", "2049-02-01"], "month/day/year"),
        (["31/12/99", "01/02/24"], ["1999-12-01", "2024-02-01"], "day/month/year"),
        (["31.12.99 23:59", "05.03.24 00:00"], ["1999-12-01", "2024-03-01"], "day.month.year"),
    ],
)
def test_years_of_two_digits_are_read_as_people_mean_them_and_told(ctx, values, months, note):
    run(ctx, content="\n".join(["d", *values]), bucket="month", formats=["csv", "html"])
    assert [row[0][:10] for row in csv_rows(ctx)[1:]] == months
    assert f"d: read as {note}, with years from 1950 to 2049." in saved(ctx, ".html").read_text()


@pytest.mark.parametrize(
    "values", [["1.2.3", "1.2.4"], ["24-03-05", "99-12-31"], ["24/13/05"], ["24-03-05T10:00:00Z"], ["5.3.024"]]
)
def test_what_has_no_clear_year_is_no_date(ctx, values):
    with pytest.raises(PermanentError, match="this table has none that is all dates"):
        run(ctx, content="\n".join(["d", *values]), bucket="month")


def test_a_year_of_two_digits_among_those_of_four_is_told_with_its_line(ctx):
    with pytest.raises(PermanentError, match=r"Line 3: d is '05\.03\.24', where dates are expected"):
        run(ctx, content="d\n31.12.1999\n05.03.24\n06.03.2024\n", bucket="month", bucket_column="d")


def test_repeated_and_empty_names_are_numbered(ctx):
    run(ctx, content="a,a,,a\n1,2,3,4\n")
    assert [row[0] for row in csv_rows(ctx)[1:]] == ["a", "a (2)", "column 3", "a (3)"]


def test_naming_many_columns_takes_time_by_their_number_alone():
    began = time.process_time()
    names = names_of([""] * 30_000 + ["a"] * 30_000 + ["a (7)"])
    assert time.process_time() - began < 2
    assert names[29_999:30_002] == ["column 30000", "a", "a (2)"] and names[-2:] == ["a (30000)", "a (7) (2)"]


def test_one_huge_field_is_cut_for_reading_only(ctx):
    content = f"name,n\n{'long ' * 200_000},1\nshort,2\n"
    run(ctx, content=content, group_by="name", formats=["pdf", "html", "xlsx", "csv"])
    assert saved(ctx, ".csv").stat().st_size > 900_000
    assert saved(ctx, ".html").stat().st_size < 100_000


@pytest.mark.parametrize(
    ("content", "params", "told"),
    [
        ("", {}, "orders.csv is empty"),
        ("\n\n", {}, "The file is empty"),
        ("a,b\n", {}, r"has a header \(a, b\) but no rows"),
        ("a,b\n1,2\n\n3\n4,5,6\n", {}, r"header has 2 fields \(comma.*line 4 has 1, line 5 has 3\."),
        ('a,b\n1,2\n"x\ny",2\n3,4,5\n', {}, "line 5 has 3"),
        ('a,b\n1,2\n3,"open\n4,5\n6,7,8\n', {"measure": "b"}, "Line 3: a quotation mark opens here and is never"),
        ('id,note\n1,ok\n2,"broken\n3,fine\n4,"x"\n5,fine\n', {}, "Line 3: text follows a closing quotation mark"),
        ("a,b\n1," + "x" * 9_000_000 + "\n", {}, "Line 2: a field is longer than 8 MB"),
        (b"a,b\n1,2\n3,a\x81\xff\x98\xf0b\xb0c\n", {}, "Line 3: byte 0x81 makes no word in any encoding"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0", {}, "This is no text"),
        (b"\xff\xfea\0,\0b\0\n\0" + b"\x00\xd8\n\0", {}, "Line 2 cannot be read as UTF-16"),
        ("n,x\n1,a\n2,b\n\nabc,c\n4,d\n", {"measure": "n"}, "Line 5: n is 'abc', where numbers are expected"),
        ("d\n2025-01-01\n2025-02-30\n2025-3-2\n", {"bucket": "day", "bucket_column": "d"}, "Line 3: d is '2025-02"),
        ("n,x\n1,a\n", {"measure": "x"}, "x holds text, not numbers. Columns with numbers: n."),
        ("n,x\n1,a\n", {"group_by": "n, region"}, "There is no column 'region'. The columns are: n, x."),
        ("n,x\n1,a\n", {"bucket": "day"}, "needs a column with dates"),
        ("d,e\n2025-01-01,2025-01-01\n", {"bucket": "day"}, "Name the date column .* d, e"),
        ("d\n2025-01-01\n", {"bucket": "hour"}, "choose day, week or month"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(ctx, content, params, told):
    with pytest.raises(PermanentError, match=told):
        run(ctx, content=content, **params)


def test_bad_values_count_as_missing_where_asked(ctx):
    content = "n\n1\n2\n3\nabc\n4\n"
    result = run(ctx, content=content, measure="n", bad_values="missing", measures=["sum", "count"], formats=["html"])
    assert result["figures"] == {"sum": 10, "count": 5}
    assert "n: 1 value that does not fit is counted as missing." in saved(ctx, ".html").read_text()


# --- other sources -----------------------------------------------------------------------------------


def test_json_lines(ctx):
    content = '{"a": "x", "n": 1}\n\n{"n": 2.5, "a": "x", "tags": ["p", {"q": 1}]}\n{"a": null, "late": true}\n'
    result = run(ctx, "events.jsonl", content, group_by="a", measure="n", measures=["sum", "count"])
    assert (result["rows"], result["columns"]) == (3, 4)
    assert csv_rows(ctx)[1:] == [["x", "3.5", "2"], ["", "0.0", "1"]]
    for bad, told in [('{"a": 1}\n\n{"a": \n', "Line 3 is no JSON"), ("[1, 2]\n", "Line 1 holds '\\[1, 2\\]'")]:
        with pytest.raises(PermanentError, match=told):
            run(ctx, "events.jsonl", bad)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (r'"x \ud83d"', "x \ufffd"),
        (r'"\ude00\ud83d!"', "\ufffd\ufffd!"),
        (r'["\uD83D", 1.50]', '["\ufffd", 1.5]'),
        (r'"\ud83d\ude00"', "😀"),
        (r'"\\ud83d"', r"\ud83d"),
    ],
)
def test_half_a_character_in_json_lines_is_shown_as_one_that_is_missing(ctx, value, read):
    run(ctx, "events.jsonl", f'{{"a": {value}}}\n{{"a": "other"}}\n', group_by="a")
    assert {row[0] for row in csv_rows(ctx)[1:]} == {read, "other"}


def test_parquet_with_every_type(ctx, tmp_path):
    frame = pl.DataFrame(
        {
            "c": pl.Series(["x", "y", "x"], dtype=pl.Categorical), "n": [1, 2, 3],
            "d": pl.Series(["1.5", "2.5", None]).cast(pl.Decimal(10, 2)), "l": [[1], [2, 3], None], "s": [{"k": 1}] * 3,
            "t": pl.Series([dt.datetime(2025, 1, 1, tzinfo=dt.UTC)] * 3), "b": [b"1", b"2", b"3"],
            "f": [1.0, float("nan"), 2.0], "w": [dt.timedelta(seconds=90)] * 3,
        }
    )  # fmt: skip
    frame.write_parquet(tmp_path / "x.parquet")
    data = (tmp_path / "x.parquet").read_bytes()
    result = run(ctx, "x.parquet", data, group_by="c", measure="d", measures=["sum"], formats=["csv", "pdf"])
    assert result["columns"] == 8
    assert csv_rows(ctx)[1:] == [["y", "2.5"], ["x", "1.5"]]
    with pytest.raises(PermanentError, match=r"x\.parquet cannot be read as PARQUET"):
        run(ctx, "x.parquet", data[: len(data) // 2])


def test_nested_values_of_parquet_are_those_values_as_json_and_missing_where_they_are(ctx, tmp_path):
    frame = pl.DataFrame(
        {
            "t": pl.Series([["x", 'say "y"'], None, []], dtype=pl.List(pl.String)),
            "s": [{"k": 1, "d": dt.date(2025, 1, 1)}, None, {"k": None, "d": None}],
            "b": pl.Series([[b"1"], None, []], dtype=pl.List(pl.Binary)),
            "c": [{"of": [b"1"]}, {"of": []}, None],
        }
    )
    frame.write_parquet(tmp_path / "x.parquet")
    data = (tmp_path / "x.parquet").read_bytes()
    result = run(ctx, "x.parquet", data, group_by="t, s", formats=["csv", "html"])
    assert {(row[0], row[1]) for row in csv_rows(ctx)[1:]} == {
        ('["x","say \\"y\\""]', '{"k":1,"d":"2025-01-01"}'), ("", ""), ("[]", '{"k":null,"d":null}')
    }  # fmt: skip
    assert result["columns"] == 2
    assert "Left out, because binary: b, c." in saved(ctx, ".html").read_text()


def test_a_panic_of_the_table_engine_is_an_error_about_the_file():
    binary = pl.DataFrame({"b": [[b"1"]]})
    with pytest.raises(PermanentError, match=r"x\.parquet cannot be read as PARQUET"), explained("x.parquet"):
        binary.select(pl.struct("b").struct.json_encode())


def test_workbook(ctx, tmp_path):
    import xlsxwriter

    path = tmp_path / "book.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet("Sales")
        book.add_worksheet("Other")
        date = book.add_format({"num_format": "yyyy-mm-dd"})
        for at, row in enumerate(
            [["city", "n", "day"], ["Köln", 1, None], [None] * 3, ["Bonn", 2, None], ["Köln", "abc", None]]
        ):
            for place, value in enumerate(row):
                if value is not None:
                    sheet.write(at, place, value)
                elif at and row[0]:
                    sheet.write_datetime(at, place, dt.datetime(2025, 1, at), date)
    with pytest.raises(PermanentError, match="Row 5: n is 'abc'"):
        run(ctx, "book.xlsx", path.read_bytes(), measure="n")
    result = run(
        ctx, "book.xlsx", path.read_bytes(), group_by="city", measure="n", bad_values="missing", measures=["sum"]
    )
    assert result["rows"] == 3
    assert [[name, float(n)] for name, n in csv_rows(ctx)[1:]] == [["Bonn", 2], ["Köln", 1]]
    with pytest.raises(PermanentError, match="cannot be read as XLSX"):
        run(ctx, "book.xlsx", b"no workbook")


def test_a_row_of_a_workbook_is_told_as_the_sheet_counts_it(ctx, tmp_path):
    import xlsxwriter

    path = tmp_path / "book.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        for at, row in [(2, ["city", "n"]), (3, ["Köln", 1]), (5, ["Bonn", "abc"]), (6, ["Bonn", 2])]:
            sheet.write_row(at, 0, row)
    with pytest.raises(PermanentError, match="Row 6: n is 'abc'"):
        run(ctx, "book.xlsx", path.read_bytes(), measure="n")


def test_a_cell_far_from_the_table_ends_neither_the_process_nor_in_silence(ctx):
    with pytest.raises(PermanentError, match=r"far\.xlsx cannot be read within 4\.0 GB.*A cell far from the others"):
        run(ctx, "far.xlsx", FAR)


def test_a_workbook_takes_no_more_memory_than_it_may_whatever_its_directory_tells(tmp_path):
    honest, bomb = tmp_path / "honest.xlsx", tmp_path / "bomb.xlsx"
    honest.write_bytes(workbook({"A1": "email", "A2": "a@example.com"}))
    lie = tmp_path / "lie.xlsx"
    bomb.write_bytes(workbook({"A1": "email", "A2": "x" * 250_000_000}))
    lie.write_bytes(workbook({"A1": "email", "A2": "x" * 60_000_000}, declared=14_000))
    assert bomb.stat().st_size < 400_000
    assert read(honest, "honest.xlsx", "csv", 700 * MB, 30)[1] == b"email\r\na@example.com\r\n"
    with pytest.raises(PermanentError, match=r"bomb\.xlsx cannot be read within 700 MB of memory"):
        read(bomb, "bomb.xlsx", "csv", 700 * MB, 30)
    with pytest.raises(PermanentError, match=r"lie\.xlsx cannot be read"):
        read(lie, "lie.xlsx", "csv", 700 * MB, 30)


def test_a_workbook_is_read_no_longer_once_its_reader_is_killed():
    reads = "from jobs.kinds._tables import sheet; sheet.end_with_parent(); print(flush=True); input()"
    worker = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {reads!r}])"
    reader = subprocess.Popen([sys.executable, "-c", worker], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    reader.stdout.readline()
    (process,) = psutil.Process(reader.pid).children()
    reader.kill()
    process.wait(30)


@pytest.fixture
def people(db, django_user_model):
    alice = django_user_model.objects.create_user("alice")
    boss = django_user_model.objects.create_user("boss", is_staff=True)
    now = timezone.now()
    for n in range(6):
        start = now - dt.timedelta(hours=n)
        Job.objects.create(
            kind="email" if n % 2 else "image", title=f"Job {n}", owner=boss if n == 5 else alice, queue="io",
            state="SUCCESS",
            created=start, started_at=start + dt.timedelta(seconds=2), finished_at=start + dt.timedelta(seconds=2 + n),
        )  # fmt: skip
    Job.objects.create(kind="email", title="Old", owner=alice, queue="io", created=now - dt.timedelta(days=20))


def test_job_history_is_that_of_the_owner(people, tmp_path):
    params = {"source": "jobs", "since": "7d", "formats": ["csv", "pdf"], "group_by": "kind", "measure": "took"}
    ctx = RecordingContext(tmp_path, owner="alice")
    assert MakeReport().run(params | {"measures": ["sum", "count"]}, ctx)["rows"] == 5
    assert csv_rows(ctx) == [["kind", "sum of took", "rows"], ["image", "6.0", "3"], ["email", "4.0", "2"]]
    assert MakeReport().run(params, RecordingContext(tmp_path, owner="boss"))["rows"] == 6
    assert MakeReport().run(params | {"since": ""}, RecordingContext(tmp_path, owner="boss"))["rows"] == 7
    with pytest.raises(PermanentError, match="No jobs were submitted in this time"):
        MakeReport().run(params, RecordingContext(tmp_path, owner="nobody"))


def test_job_history_by_time_needs_no_column(people, tmp_path):
    ctx = RecordingContext(tmp_path, owner="boss")
    assert MakeReport().run({"source": "jobs", "bucket": "day", "formats": ["csv"]}, ctx)["rows"] == 7
    assert csv_rows(ctx)[0] == ["created by day", "rows"]
