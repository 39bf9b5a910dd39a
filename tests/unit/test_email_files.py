"""Recipients files that people really have: old encodings, several columns of addresses, hidden sheets."""

import unicodedata
from pathlib import Path

import pytest
import xlsxwriter
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.datastructures import MultiValueDict

from jobs.core.errors import Refused
from jobs.kinds._email import mailing
from jobs.kinds._email.letters import letters_of
from jobs.kinds._given import content_of
from jobs.kinds.email import SendEmail
from jobs.submit.validate import bind, cleaned

pytestmark = pytest.mark.django_db
CASES = Path(__file__).parents[1] / "cases"


def checked(name, content=None, **params):
    content = (CASES / name).read_bytes() if content is None else content
    files = MultiValueDict({"recipients": [SimpleUploadedFile(name, content)]})
    return cleaned(bind(SendEmail, {"subject": "Hello", "text": "Hi", **params}, files))


def letters(name, content=None, **params):
    data = checked(name, content, **params)
    return letters_of(data, content_of(data["recipients"][0]))[0]


def refused(name, content=None, **params):
    with pytest.raises(Refused) as caught:
        checked(name, content, **params)
    return caught.value.errors


@pytest.mark.parametrize(
    ("name", "encoding", "read"),
    [("m3-cp1250.csv", "cp1250", "Dvořák"), ("m3-cp1251.csv", "cp1251", "Иванов")],
)
def test_nothing_is_sent_in_an_encoding_that_is_not_certain_until_it_is_chosen(name, encoding, read):
    (said,) = refused(name)["encoding"]
    assert "Choose the file's encoding" in said and read in said
    assert said.count("d@example.org") > 1  # a row for each guess
    (letter,) = letters(name, encoding=encoding)
    assert read in letter.values.values()


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("cp1250", "Łukasz Żółw"), ("cp1250", "Kučera"), ("cp1251", "Мария Петрова"), ("cp1252", "Thérèse"),
        ("cp1252", "José Muñoz"), ("cp1253", "Παπαδόπουλος"), ("cp1254", "Şahin Yılmaz"), ("cp1255", "כהן"),
        ("cp1256", "محمد"), ("cp1257", "Ķēniņš"), ("gb18030", "张伟"), ("gb18030", "王小明"), ("big5hkscs", "陳大文"),
        ("cp932", "田中さくら"), ("cp932", "佐藤"), ("euc_jp", "佐藤さくら"), ("cp949", "김민수"), ("koi8_u", "Иванов"),
        ("cp866", "Иванов"), ("mac_roman", "André"), ("cp850", "Müller"), ("cp1252", "Müller"), ("cp1252", "Zoë Größe"),
    ],
)  # fmt: skip
def test_an_old_encoding_is_read_right_or_asked_for_with_the_right_one_among_the_guesses(encoding, text):
    content = f"email;name\na@example.org;{text}\n".encode(encoding)
    try:
        read = [row.values["name"] for row in mailing.read(content).rows]
    except mailing.Doubtful as error:
        assert text in str(error)
    else:
        assert read == [text]
    assert [letter.values["name"] for letter in letters("x.csv", content, encoding=encoding)] == [text]


def test_western_letters_that_all_likely_encodings_read_alike_are_not_asked_for():
    for text in ("Jürgen Größe, Köln", "Jörg, Zoë, Köln"):
        content = f"email;name\na@example.org;{text}\n".encode("cp1252")
        assert mailing.read(content).rows[0].values["name"] == text


def test_an_encoding_that_the_file_is_not_in_is_told():
    said = refused("x.csv", "email,name\na@example.org,Dvořák\n".encode("cp1250"), encoding="utf-8")
    assert "Line 2 cannot be read as UTF-8" in said["recipients"][0]


def test_utf_16_without_a_mark():
    assert [letter.values["name"] for letter in letters("m7-utf16-no-bom.csv")] == ["Ann"]
    for encoding in ("utf-16-le", "utf-16-be"):
        content = "email,name\nd@example.org,Иванов\n王@x,张伟\n".encode(encoding)
        assert [letter.values["name"] for letter in letters("x.csv", content)] == ["Иванов"]


def test_a_comma_in_the_header_is_no_separator():
    found = letters("m4-comma-in-header.csv", text="{{ Name, Vorname }}")
    assert [letter.values for letter in found] == [
        {"name,_vorname": "Müller, Anna", "e_mail": "anna@example.org"},
        {"name,_vorname": "Bach, Uwe", "e_mail": "uwe@example.org"},
    ]


def test_a_first_row_without_an_address_is_left_out_and_told():
    data = checked("m6-first-row-without-address.csv")
    assert ("Left out", "1 row: row 2 (no address)") in SendEmail.preview(data)
    assert [letter.to for letter in letters("m6-first-row-without-address.csv")] == [["ann@example.org"]]


@pytest.mark.parametrize(
    ("content", "to"),
    [
        ("name,address,contact\nAnn,1 High St,ann@example.org\n", "ann@example.org"),
        ("address,mail\n1 High St,ann@example.org\n", "ann@example.org"),
        ("boss,e-mail\nboss@example.org,ann@example.org\n", "ann@example.org"),
        ("address,note\nann@example.org,x@y\n", "ann@example.org"),
        ("name,mail 2,mail 1\nAnn,,ann@example.org\nBob,b2@example.org,bob@example.org\n", "ann@example.org"),
    ],
)
def test_the_column_of_addresses_is_the_one_whose_cells_are_addresses(content, to):
    assert letters("x.csv", content.encode())[0].to == [to]


def test_accents_that_stand_apart_in_the_header_match_a_field():
    content = unicodedata.normalize("NFD", "email,Prénom\na@example.org,Zoë\n").encode()
    (letter,) = letters("x.csv", content, text="{{ Prénom }}")
    assert letter.values[unicodedata.normalize("NFC", "prénom")]


def test_a_mark_in_the_midst_of_a_file_is_no_part_of_a_value():
    content = "\ufeffemail,name\na@example.org,Ann\n\ufeffb@example.org,Bob\n".encode()
    assert [letter.to for letter in letters("x.csv", content)] == [["a@example.org"], ["b@example.org"]]


def test_lines_above_the_header_are_skipped_where_it_is_said_where_it_stands():
    content = b"Members of 2026\n\nname;email\nAnn;a@example.org\n"
    (letter,) = letters("x.csv", content, header=3)
    assert (letter.to, letter.row) == (["a@example.org"], 4)


def test_a_separator_that_is_chosen():
    assert letters("x.csv", b"email|note\na@example.org|x,y;z\n", separator="pipe")[0].values["note"] == "x,y;z"


# --- workbooks ---------------------------------------------------------------------------------------


def test_a_hidden_first_sheet_is_not_mailed_to_and_the_sheet_is_told():
    data = checked("m2-hidden-first-sheet.xlsx")
    assert [letter.to for letter in letters("m2-hidden-first-sheet.xlsx")] == [["new@example.org"]]
    told = SendEmail.preview(data)
    assert ("Read as", "sheet 'Data', header on row 1, addresses in email") in told
    assert told[0] == ("Sends", "1 message, one for each usable row of m2-hidden-first-sheet.xlsx")
    assert ("Workbook", "The workbook has 1 hidden sheet.") in told
    assert data["sheet"] == "Data"
    assert [letter.to for letter in letters("m2-hidden-first-sheet.xlsx", sheet="old list")] == [["old@example.org"]]
    assert (
        "no sheet 'New'; there are: Old list, Data"
        in refused("m2-hidden-first-sheet.xlsx", sheet="New")["recipients"][0]
    )


def test_times_and_durations_of_a_workbook_are_what_the_person_sees():
    (letter,) = letters("m8-time-duration-error-formula.xlsx", text="{{ time }} {{ dur }}")
    assert (letter.values["time"], letter.values["dur"]) == ("09:30", "30:00")
    told = [text for _, text in SendEmail.preview(checked("m8-time-duration-error-formula.xlsx"))]
    assert any(text.startswith("Row 2 holds formulas that were never computed") for text in told)
    assert any(text.startswith("Row 2 holds errors") for text in told)


@pytest.mark.parametrize(
    ("field", "said"),
    [("err", "row 2 (err holds the error #N/A)"), ("form", "row 2 (form holds a formula that was never computed")],
)
@pytest.mark.parametrize("where", ["text", "subject", "html"])
def test_no_letter_shows_an_error_or_a_formula_without_a_value(field, said, where):
    assert said in refused("m8-time-duration-error-formula.xlsx", **{where: f"{{{{ {field} }}}}"})["recipients"][0]


def test_hidden_rows_are_told(tmp_path):
    path = tmp_path / "x.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        for at, row in enumerate([["email", "n"], ["a@example.org", 1], ["b@example.org", 2]]):
            sheet.write_row(at, 0, row)
        sheet.autofilter(0, 0, 2, 1)
        sheet.set_row(2, options={"hidden": True})
    told = SendEmail.preview(checked("x.xlsx", path.read_bytes()))
    assert ("Workbook", "1 row is hidden in the sheet and was read too (a filter is set).") in told


def test_a_sharp_s_stays_the_domain_that_it_names():
    assert [letter.to for letter in letters("m1-sharp-s.csv")] == [["nina@xn--strae-oqa.example"]]
