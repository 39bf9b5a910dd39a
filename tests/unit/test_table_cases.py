"""Tables that people really have: what a report of them shows. The files are in tests/cases."""

import unicodedata
from pathlib import Path

import pytest
import xlsxwriter
from python_calamine import CalamineWorkbook

from jobs.core.errors import PermanentError
from tests.unit.contexts import RecordingContext
from tests.unit.report_files import csv_rows, run, saved

CASES = Path(__file__).parents[1] / "cases"


@pytest.fixture
def ctx(tmp_path):
    return RecordingContext(tmp_path)


def case(ctx, name, **params):
    return run(ctx, name, (CASES / name).read_bytes(), **params)


def total(ctx, content, name="x.csv", **params):
    return run(ctx, name, content, measure="amount", measures=["sum"], **params)["figures"]["sum"]


def groups(ctx):
    # The apostrophe keeps a spreadsheet from taking "+49…" for a formula.
    return {row[0].removeprefix("'") for row in csv_rows(ctx)[1:]}


# --- codes stay text ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "by", "found"),
    [
        ("t1-versions.csv", "version", {"1.1", "1.10", "1.2"}),
        ("t1-versions-as-text.jsonl", "v", {"1.1", "1.10"}),
        ("t1-phones.csv", "phone", {"+4917012345", "+4917099999"}),
        ("t1-text-column.parquet", "zip", {"12345", "1.10"}),
    ],
)
def test_groups_are_the_texts_that_stand_in_the_file(ctx, name, by, found):
    case(ctx, name, group_by=by)
    assert found <= groups(ctx)


@pytest.mark.parametrize(
    "codes", [["1E5", "2E7"], ["+49170123456", "+1555123456"], ["007", "012"], ["1.0", "1.00"], ["1,5", "1,50"]]
)
def test_codes_are_grouped_as_they_are_written(ctx, codes):
    run(ctx, content="code;n\n" + "".join(f"{code};1\n" for code in codes), group_by="code")
    assert groups(ctx) == set(codes)


@pytest.mark.parametrize("code", ["1E5", "+4917012345678", "007"])
def test_codes_are_no_numbers(ctx, code):
    with pytest.raises(PermanentError, match="amount holds text, not numbers"):
        total(ctx, f"amount\n{code}\n")


def test_powers_as_programs_write_them_are_numbers(ctx):
    assert total(ctx, "amount\n1e+05\n2.5E3\n1e-1\n") == pytest.approx(102500.1)


def test_numbers_that_are_grouped_by_are_measured_too(ctx):
    run(ctx, content="amount\n1.10\n1.1\n", group_by="amount", measure="amount", measures=["sum"])
    assert sorted(csv_rows(ctx)[1:]) == [["1.1", "1.1"], ["1.10", "1.1"]]


def test_a_column_that_its_file_calls_text_is_a_number_only_where_asked(ctx, tmp_path):
    content = '{"v": "1.10", "d": "2024-01-15"}\n{"v": "2.5", "d": "2024-02-15"}\n'
    run(ctx, "x.jsonl", content)
    assert [row[:2] for row in csv_rows(ctx)[1:]] == [["v", "text"], ["d", "date"]]
    assert run(ctx, "x.jsonl", content, measure="v", measures=["sum"])["figures"]["sum"] == 3.6
    path = tmp_path / "x.xlsx"
    with xlsxwriter.Workbook(path) as book:
        for at, text in enumerate(["zip", "12345", "01234"]):
            book.worksheets() or book.add_worksheet()
            book.worksheets()[0].write_string(at, 0, text)
    run(ctx, "x.xlsx", path.read_bytes())
    assert csv_rows(ctx)[1][:2] == ["zip", "text"]


@pytest.mark.parametrize("ending", ["html", "csv"])
def test_years_are_shown_as_they_are_written(ctx, ending):
    case(
        ctx, "t2-years.csv", group_by="year", measure="amount", measures=["sum"], formats=["html", "csv", "pdf", "xlsx"]
    )
    assert [row[:2] for row in csv_rows(ctx)[1:]] == [["2023", "15"], ["2022", "5"]]
    page = saved(ctx, ".html").read_text()
    assert "2023" in page and "2,02" not in page
    sheet = CalamineWorkbook.from_path(saved(ctx, ".xlsx")).get_sheet_by_name("Groups").to_python()
    assert [row[0] for row in sheet] == ["year", "2023", "2022"]


# --- one decimal sign, one order of days and months --------------------------------------------------


def test_one_column_settles_the_decimal_sign_of_its_file(ctx):
    for column, figure in [("VALUE", 81_536.28), ("CONF", 12.508)]:
        result = case(ctx, "t3-semicolons-and-dots.csv", measure=column, measures=["sum"])
        assert result["figures"]["sum"] == pytest.approx(figure)
    for column, figure in [("preis", 2.75), ("menge", 3234)]:
        result = case(ctx, "t3-tabs-and-commas.txt", measure=column, measures=["sum"])
        assert result["figures"]["sum"] == pytest.approx(figure)


@pytest.mark.parametrize(
    ("content", "figure"),
    [
        ('a,amount\n1.5,"1,234"\n2.25,"2,000"\n', 3234),
        ('a,amount\n"1,5","1,234"\n"2,25","2,000"\n', 3.234),
        ("a;amount\n5,5;1.234\n6,5;2.000\n", 3234),
        ("a;amount\n5.5;1.234\n6.5;2.000\n", 3.234),
        ("a;amount\nx;1.234\ny;2.000\n", 3234),
        ("a,amount\nx,1.234\ny,2.000\n", 3.234),
        # A column that can be read one way only is read so, whatever the others say.
        ("a;amount\n5,5;1.5\n6,5;2.5\n", 4),
    ],
)
def test_a_sign_that_one_column_shows_is_that_of_all_that_can_be_read_both_ways(ctx, content, figure):
    assert total(ctx, content) == pytest.approx(figure)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_marks_in_the_midst_and_accents_that_stand_apart_make_no_twins(ctx, form):
    content = unicodedata.normalize(form, "Prénom,n\nx,1\n\ufeffx,2\n")
    run(ctx, content=content, group_by=unicodedata.normalize(form, "prénom"))
    assert csv_rows(ctx) == [["Prénom", "rows"], ["x", "2"]]


def test_one_column_settles_whether_the_day_comes_first(ctx):
    run(ctx, content="a,b\n31/12/2024,01/02/2024\n30/12/2024,02/02/2024\n", bucket="month", bucket_column="b")
    assert [row[0][:10] for row in csv_rows(ctx)[1:]] == ["2024-02-01"]
    run(ctx, content="a,b\n12/31/2024,01/02/2024\n12/30/2024,02/02/2024\n", bucket="month", bucket_column="b")
    assert [row[0][:10] for row in csv_rows(ctx)[1:]] == ["2024-01-01", "2024-02-01"]


# --- numbers and dates as people write them ----------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "figure"),
    [
        ("swiss", 3234.5), ("french", 13_234.5), ("percent", 0.625), ("currency", 25.5), ("parentheses", 1000 - 234.5),
        ("minus-behind", 765.5),
    ],
)  # fmt: skip
def test_numbers_as_people_write_them(ctx, name, figure):
    result = case(ctx, f"t10-{name}.csv", measure="amount", measures=["sum"])
    assert result["figures"]["sum"] == pytest.approx(figure)


@pytest.mark.parametrize(
    ("values", "figure"),
    [
        (["1’234.50", "2’000.00"], 3234.5), (["1\u00a0234,50", "2\u2009000,25"], 3234.75),
        (["1,23,456", "10"], 123_466),
        (["12,5 %", "50 %"], 0.625), (["$1,234.50", "-$234.50"], 1000), (["12.00 EUR", "13.50 EUR"], 25.5),
        (["USD 1,000.00", "USD 2.50"], 1002.5), (["(€ 5,50)", "€ 10,00"], 4.5), (["−5.5", "6"], 0.5),
        (["1 234,50 kr", "2 kr"], 1236.5), (["1.234,50 €", "1,00 €"], 1235.5), (["R$ 1.234,50", "R$ 1,50"], 1236),
        (["12.50-", "2.50"], -10), (["CHF 1'000.50", "CHF 2"], 1002.5), (["+5.5", "1"], 6.5), ([".5", "1.5"], 2),
        (["12 345", "1 000"], 13_345), (["£5", "£1,000"], 1005),
    ],
)  # fmt: skip
def test_neighbours_of_these(ctx, values, figure):
    assert total(ctx, "amount|n\n" + "".join(f"{value}|x\n" for value in values)) == pytest.approx(figure)


@pytest.mark.parametrize("values", [["€ 5", "$ 6"], ["5 %", "6"], ["12 34", "5 6"], ["1,2,3", "4,5,6"], ["A 1", "B 2"]])
def test_what_is_no_number_of_one_column_is_not_summed(ctx, values):
    with pytest.raises(PermanentError, match="amount"):
        total(ctx, "amount|n\n" + "".join(f"{value}|x\n" for value in values))


@pytest.mark.parametrize(
    ("values", "months"),
    [
        (["1/15/2024 2:30 PM", "2/15/2024 11:00 AM"], ["2024-01-01", "2024-02-01"]),
        (["15 January 2024", "15 Feb 2024"], ["2024-01-01", "2024-02-01"]),
        (["Jan 15, 2024", "February 15, 2024"], ["2024-01-01", "2024-02-01"]),
        (["15-01-2024", "16-02-2024"], ["2024-01-01", "2024-02-01"]),
        (["15-Jan-24", "15-Feb-24"], ["2024-01-01", "2024-02-01"]),
        (["15.01.2024 14:30", "15.02.2024 02:00"], ["2024-01-01", "2024-02-01"]),
    ],
)
def test_dates_as_people_write_them(ctx, values, months):
    run(ctx, content="at|n\n" + "".join(f"{value}|1\n" for value in values), bucket="month")
    assert [row[0][:10] for row in csv_rows(ctx)[1:]] == months


def test_names_of_months(ctx):
    case(ctx, "t10-month-names.csv", bucket="day")
    assert [row[0][:10] for row in csv_rows(ctx)[1:]] == ["2024-01-15", "2024-02-15"]


# --- workbooks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("t6-error-cells.xlsx", r"Row 3: amount is '#DIV/0!', where numbers are expected \(and in row 4\)"),
        (
            "t6-formulas-never-computed.xlsx",
            r"Row 3: amount is '#FORMULA!'.*and in row 4",
        ),
    ],
)
def test_errors_and_formulas_without_a_value_are_told_with_their_rows(ctx, name, told):
    with pytest.raises(PermanentError, match=told):
        case(ctx, name, measure="amount", measures=["sum"])
    case(ctx, name, formats=["html"])
    assert "Rows 3 and 4 hold" in saved(ctx, ".html").read_text()


def test_a_formula_that_a_program_wrote_with_a_zero_was_never_computed(ctx, tmp_path):
    path = tmp_path / "x.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        for at, row in enumerate([["amount", "text"], [1, "a"], ["=A2*2", "b"], [3, '=""']]):
            for place, cell in enumerate(row):
                sheet.write(at, place, cell)
        sheet.write_formula(4, 0, "=A2*4", None, 4)
        sheet.write_formula(5, 1, '=""', None, "")
    with pytest.raises(PermanentError, match=r"Row 3: amount is '#FORMULA!'"):
        total(ctx, path.read_bytes(), "x.xlsx")
    assert total(ctx, path.read_bytes(), "x.xlsx", bad_values="missing") == 8


def test_times_of_day_are_times_of_day(ctx):
    case(ctx, "t7-times-of-day.xlsx", formats=["html", "csv"])
    assert csv_rows(ctx)[2][:2] == ["at", "time of day"]
    assert "09:30 to 14:00" in saved(ctx, ".html").read_text()


def test_a_duration_beside_a_text_is_a_text(ctx):
    case(ctx, "t8-duration-and-text.xlsx", group_by="spent")
    assert groups(ctx) == {"30:00", "open"}


def test_durations_beside_anything(ctx, tmp_path):
    import datetime as dt

    path = tmp_path / "x.xlsx"
    others = [5, dt.date(2024, 1, 15), dt.time(9, 30), True, "open", dt.datetime(2024, 1, 15, 8, 30)]
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        spent = book.add_format({"num_format": "[h]:mm:ss"})
        forms = {dt.date: "yyyy-mm-dd", dt.time: "hh:mm", dt.datetime: "yyyy-mm-dd hh:mm"}
        for at, other in enumerate(others):
            sheet.write_string(0, at, f"c{at}")
            sheet.write_number(1, at, 1.25, spent)
            if type(other) in forms:
                sheet.write_datetime(2, at, other, book.add_format({"num_format": forms[type(other)]}))
            else:
                sheet.write(2, at, other)
    shown = ["5", "2024-01-15", "09:30", "true", "open", "2024-01-15 08:30"]
    for at, text in enumerate(shown):
        run(ctx, "x.xlsx", path.read_bytes(), group_by=f"c{at}")
        assert groups(ctx) == {"30:00", text}


def test_the_first_visible_sheet_is_read_and_told(ctx):
    case(ctx, "t9-hidden-first-sheet.xlsx", formats=["html", "csv"])
    assert [row[0] for row in csv_rows(ctx)[1:]] == ["name", "amount"]
    page = saved(ctx, ".html").read_text()
    assert "The sheet &#x27;Data&#x27; was read." in page and "1 hidden sheet" in page
    case(ctx, "t9-hidden-first-sheet.xlsx", sheet="Lists")
    assert [row[0] for row in csv_rows(ctx)[1:]] == ["code", "label"]
    with pytest.raises(PermanentError, match="there is no sheet 'Nope'; there are: Lists, Data"):
        case(ctx, "t9-hidden-first-sheet.xlsx", sheet="Nope")


# --- how it is read may be chosen --------------------------------------------------------------------


def test_encoding_separator_and_header_may_be_chosen(ctx):
    content = "Umsatz\n\nName|Betrag\nДвор|3\n".encode("cp1251")
    run(ctx, content=content, group_by="Name", encoding="cp1251", separator="pipe", header=3, formats=["csv", "html"])
    assert csv_rows(ctx) == [["Name", "rows"], ["Двор", "1"]]
    assert "Read as Windows-1251, pipe between the values, header on line 3." in saved(ctx, ".html").read_text()


def test_a_doubtful_encoding_is_told(ctx):
    run(ctx, content="name\nDvořák\n".encode("cp1250"), formats=["html"])
    page = saved(ctx, ".html").read_text()
    assert "can be read in several encodings" in page and "Dvořák" in page


# --- Parquet -----------------------------------------------------------------------------------------


def test_times_beyond_those_of_nanoseconds(ctx):
    """INT96, as Spark and Impala write it."""
    run(ctx, "x.parquet", (CASES / "int96-beyond-2262.parquet").read_bytes(), bucket="month", bucket_column="ts")
    assert [row[0][:10] for row in csv_rows(ctx)[1:]] == ["1500-01-01", "2024-01-01", "9999-12-01"]


def test_a_fixed_offset(ctx, settings):
    """Parquet stores a time with a zone as UTC, and this file 01:00 of it: 06:30 at +05:30."""
    settings.TIME_ZONE = "UTC"
    case(ctx, "t5-fixed-offset.parquet", bucket="hour", bucket_column="ts")
    assert [row[0] for row in csv_rows(ctx)[1:]] == ["2024-07-01 01:00:00", "2024-08-01 01:00:00"]
