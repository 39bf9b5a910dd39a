"""Imports of tables that people really have: encodings, hidden sheets, cells that are no values."""

from pathlib import Path

import pytest
import xlsxwriter

from jobs.core.errors import PermanentError
from tests.unit.contexts import RecordingContext
from tests.unit.import_files import numbers, run

CASES = Path(__file__).parents[1] / "cases"
pytestmark = pytest.mark.django_db


@pytest.fixture
def ctx(tmp_path, django_user_model):
    django_user_model.objects.create_superuser("boss")
    return RecordingContext(tmp_path, owner="boss")


def test_no_job_is_made_in_an_encoding_that_is_not_certain_until_it_is_chosen(ctx):
    content = "x;y;note\n1;2;Dvořák\n".encode("cp1250")
    with pytest.raises(PermanentError, match=r"Choose the table's encoding.*'1;2;Dvořák'"):
        run(ctx, content)
    result = run(ctx, content, encoding="cp1250")
    assert numbers() == [(1, 2)]
    assert result["read_as"] == "Read as Windows-1250, semicolon between the values, header on line 1."


def test_separator_and_header_may_be_chosen(ctx):
    run(ctx, "Numbers; of, today\n\nx|y\n3|4\n", separator="pipe", header=3)
    assert numbers() == [(3, 4)]


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "jobs.xlsx"
    with xlsxwriter.Workbook(path) as made:
        old, new = made.add_worksheet("Old"), made.add_worksheet("New")
        for sheet, rows in [(old, [["x", "y"], [9, 9]]), (new, [["x", "y"], [1, 2], [3, "=1/0"], [5, 6]])]:
            for at, row in enumerate(rows):
                for place, cell in enumerate(row):
                    sheet.write(at, place, cell)
        old.hide()
        new.activate()
        new.set_first_sheet()
    return path.read_bytes()


def test_rows_with_a_formula_that_was_never_computed_are_wrong_and_told(ctx, book):
    with pytest.raises(PermanentError, match="Row 3, all: y holds a formula that was never computed"):
        run(ctx, book, "jobs.xlsx")
    result = run(ctx, book, "jobs.xlsx", rows="valid")
    assert numbers() == [(1, 2), (5, 6)]
    assert result["read_as"].startswith("The sheet 'New' was read. The workbook has 1 hidden sheet.")


def test_another_sheet_may_be_named(ctx, book):
    run(ctx, book, "jobs.xlsx", sheet="Old")
    assert numbers() == [(9, 9)]
