"""Values on their way out of spreadsheets and into them: nothing that arrives as data runs as a formula."""

import datetime as dt
import re
from typing import Any

from jobs.kinds._tables.sheet_xml import FORMULA

#: Excel's limits: rows of a sheet, characters of a cell.
MOST_ROWS = 1_048_576
LONGEST_CELL = 32_767
#: For xlsxwriter: rows are written as they come, and texts stay texts.
BOOK_OPTIONS = {
    "constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False,
    "nan_inf_to_errors": True,
}  # fmt: skip
NUMBER_FORMATS: dict[type, str] = {
    int: "#,##0",
    float: "#,##0.00",
    dt.date: "yyyy-mm-dd",
    dt.datetime: "yyyy-mm-dd hh:mm",
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

#: What stands in a cell of a workbook that no person wrote.
_ERROR = re.compile(r"#(NULL!|DIV/0!|VALUE!|REF!|NAME\?|NUM!|N/A|SPILL!|CALC!|BLOCKED!|FIELD!|GETTING_DATA)")


def no_value(cell: Any) -> str:
    """What a cell of a workbook holds in place of a value, "" for a value: an error is no name and no number."""
    if cell == FORMULA:
        return "a formula that was never computed: open the workbook in a spreadsheet program and save it"
    return f"the error {cell}" if isinstance(cell, str) and _ERROR.fullmatch(cell) else ""


def harmless(value: Any) -> Any:
    """Spreadsheets run text that starts like a formula; an apostrophe before it stops them."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def plain(value: Any) -> Any:
    """A value as a spreadsheet or program takes it; times as ISO 8601."""
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    return value.isoformat() if isinstance(value, dt.date) else value


def write_cell(sheet: Any, row: int, column: int, value: Any, formats: dict[type, Any]) -> None:
    """Write a value into a sheet of xlsxwriter as what it is. formats: one for each key of NUMBER_FORMATS."""
    match value:
        case None:
            pass
        case bool():
            sheet.write_boolean(row, column, value)
        case int() | float():
            # Excel counts in doubles: longer whole numbers would be rounded unseen.
            if abs(value) < 2**53:
                sheet.write_number(row, column, value, formats[type(value)])
            else:
                sheet.write_string(row, column, str(value))
        case dt.date() if value.year >= 1900:
            sheet.write_datetime(row, column, value, formats[type(value)])
        case _:
            sheet.write_string(row, column, str(plain(value))[:LONGEST_CELL])
