"""Workbooks as no spreadsheet program writes them."""

import zipfile
from io import BytesIO

import xlsxwriter

SHEET = "xl/worksheets/sheet1.xml"
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def workbook(cells, declared=None, dimension=None):
    """The bytes of a workbook whose sheet has these {reference: text}, a row each.

    declared: [bytes] that the sheet has unpacked, as the zip's directory tells it, which may be a lie.
    """
    rows = "".join(f'<row><c r="{ref}" t="inlineStr"><is><t>{text}</t></is></c></row>' for ref, text in cells.items())
    said = f'<dimension ref="{dimension}"/>' if dimension else ""
    sheet = f'<worksheet xmlns="{MAIN}">{said}<sheetData>{rows}</sheetData></worksheet>'
    plain, made = BytesIO(), BytesIO()
    with xlsxwriter.Workbook(plain) as book:
        book.add_worksheet()
    with zipfile.ZipFile(plain) as parts, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as out:
        for name in parts.namelist():
            out.writestr(name, sheet if name == SHEET else parts.read(name))
        if declared:
            out.getinfo(SHEET).file_size = declared
    return made.getvalue()


#: 5 KB, and a grid of 17 thousand million cells.
FAR = workbook({"A1": "email", "A2": "a@example.com", "XFD1048576": "x"})
