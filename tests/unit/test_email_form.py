"""What the kind "email" accepts, and how it says what is wrong."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.datastructures import MultiValueDict

from jobs.core.errors import Refused
from jobs.kinds._email import mailing, template
from jobs.kinds._email.addresses import parse, split
from jobs.kinds.email import SendEmail
from jobs.submit.validate import bind, cleaned, to_json

pytestmark = pytest.mark.django_db


def checked(file: bytes | None = None, **params):
    files = MultiValueDict({"recipients": [SimpleUploadedFile("people.csv", file)]}) if file is not None else None
    return cleaned(bind(SendEmail, {"subject": "Hello", "text": "Hi", **params}, files))


def refused(file: bytes | None = None, **params) -> dict[str, list[str]]:
    with pytest.raises(Refused) as caught:
        checked(file, **params)
    return caught.value.errors


def test_addresses_come_as_a_list_or_with_separators():
    expected = ["nina@example.com", "Jo Ho <jo@example.com>", '"Doe, J." <doe@example.com>']
    assert checked(to=expected)["to"] == expected
    assert checked(to='nina@example.com; Jo Ho <jo@example.com>\n"Doe, J." <doe@example.com>')["to"] == expected
    assert checked(to="a@example.com, A@Example.com")["to"] == ["a@example.com"]


def test_a_rerun_takes_its_own_parameters():
    form = bind(SendEmail, {"subject": "Hello", "text": "Hi", "to": ["Jo <jo@example.com>", "b@example.com"]})
    params = to_json(form, cleaned(form))
    files = {"recipients", "attachments"}
    again = bind(SendEmail, {name: value for name, value in params.items() if name not in files})
    assert to_json(again, cleaned(again)) == params


@pytest.mark.parametrize(
    "text",
    [
        "nobody",
        "a@",
        "@b.com",
        "a@b@c.com",
        "<a@b.com",
        "a b@c.com",
        "ä@example.com",
        "Bcc: x@example.com",
        f"x@{'ü' * 60}.de",
        # What these domains become in ASCII is none: a name that ends in ¨, a second @, a top level with digits.
        "x@b¨.de",
        "x@b\uff20c.de",
        "x@example.c¡m",
    ],
)
def test_what_is_no_address_is_named(text):
    assert "is not an address" in refused(to=text)["to"][0]


@pytest.mark.parametrize("letter", ["ä", "ı", "İ", "ſ", "\N{KELVIN SIGN}"])
def test_a_letter_that_cannot_stand_before_the_at_is_named(letter):
    text = f"jo{letter}n@example.com"
    said = f"{text!r} is not an address: only a to z, digits and signs may stand before the @, not {letter!r}."
    assert refused(to=text)["to"] == [said]
    found = mailing.read(f"email\na@example.com\n{text}\n".encode())
    assert [str(row) for row in found.left_out] == [f"row 3 ({said.rstrip('.')})"]


def test_separators_count_only_outside_of_quotes_and_brackets():
    assert split('"a, b" <x@y.de>, c@d.de;; \r\n e@f.de') == ['"a, b" <x@y.de>', "c@d.de", "e@f.de"]
    assert str(parse('"Weird \\"Al\\"" <al@example.com>')) == '"Weird \\"Al\\"" <al@example.com>'
    assert parse("x@bücher.de").address == "x@xn--bcher-kva.de"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028"])
@pytest.mark.parametrize("field", ["subject", "from_email"])
def test_no_header_takes_a_line_break(field, end):
    base = {"subject": "Hello", "from_email": "Shop <shop@example.com>"}
    value = base[field].replace("o", f"o{end}Bcc: evil@example.com{end}", 1)
    assert field in refused(to="a@example.com", **{field: value})


@pytest.mark.parametrize("field", ["to", "cc", "bcc", "reply_to"])
def test_a_line_break_in_a_list_only_separates(field):
    params = {"to": "a@example.com", field: "a@example.com\nX-Evil: yes"}
    assert "is not an address" in refused(**params)[field][0]


def test_a_mail_needs_somebody_and_something():
    errors = refused(text="")
    assert errors == {
        "to": ["Name at least one address, or give a recipients file."],
        "text": ["Write a text, an HTML version, or both."],
    }


ROWS = "email{d}Vorname{d}Ort\nnina@example.com{d}Jürgen{d}Köln\njo@example.com{d}{d}Bonn\n"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_files_are_read_as_programs_and_excel_write_them(delimiter, encoding, newline):
    found = mailing.read(ROWS.format(d=delimiter).replace("\n", newline).encode(encoding))
    assert found.columns == ["email", "Vorname", "Ort"]
    assert [(row.number, row.address, row.values["vorname"]) for row in found.rows] == [
        (2, "nina@example.com", "Jürgen"),
        (3, "jo@example.com", ""),
    ]


def test_excels_own_first_line_is_not_a_row():
    found = mailing.read(b'sep=;\r\nname;e-mail\r\n"a;b";a@example.com\r\n')
    assert [(row.number, row.values["name"]) for row in found.rows] == [(2, "a;b")]


def test_rows_are_counted_as_a_spreadsheet_counts_them():
    found = mailing.read(
        b'email,note\n\na@example.com,"two\nlines"\n,\nb@example,\nA@EXAMPLE.com,\nc@example.com,x,y\n,z'
    )
    assert [row.number for row in found.rows] == [3]
    assert [(out.number, out.reason, out.is_duplicate) for out in found.left_out] == [
        (5, "'b@example' is not an address", False),
        (6, "A@EXAMPLE.com: the same address as row 3", True),
        (7, "3 cells, the header has 2", False),
        (8, "no address", False),
    ]


def test_the_address_column_is_found_by_name_or_content():
    assert mailing.read(b"who,E-Mail Address\nx@y.de,a@example.com").rows[0].address == "a@example.com"
    assert mailing.read(b"who,kontakt\nx,a@example.com").rows[0].address == "a@example.com"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"PK\x03\x04 and more", "Excel workbook"),
        (b"email\na@example.com\x00", "This is no text"),
        (b"a@example.com\nb@example.com", "first row must name the columns"),
        (b"name,city\nNina,Bonn", "name it 'email'"),
        (b"email,Name,name\n", "'name' twice"),
        (
            b'email,name\na@example.com,"open\nb@example.com,x',
            "Line 2: a quotation mark opens here and is never",
        ),
        (b'email,name\na@example.com,x\nb@example.com,"q"uote', "Line 3: text follows a closing quotation mark"),
    ],
)
def test_unreadable_files_are_refused_with_the_reason(content, said):
    assert said in refused(file=content)["recipients"][0]


def test_unusable_rows_are_left_out_or_refuse_the_mailing():
    file = b"email\na@example.com\nnope\na@example.com\n"
    data = checked(file=file)
    listed = "row 3 ('nope' is not an address), row 4 (a@example.com: the same address as row 2)"
    assert ("Left out", f"2 rows: {listed}") in SendEmail.preview(data)
    said = refused(file=file, unusable_rows="refuse")["recipients"][0]
    assert "row 3 ('nope' is not an address)" in said
    assert "row 4 (a@example.com: the same address as row 2)" in said
    assert "No row can be used: 1 row: row 2" in refused(file=b"email\nnope\n")["recipients"][0]
    assert refused(file=b"email,name\n")["recipients"] == ["There is only a header."]


def test_a_cell_with_a_line_break_cannot_get_into_the_subject():
    file = b'email,name\na@example.com,"x\r\nBcc: evil@example.com"\nb@example.com,Jo\n'
    found = mailing.read(file, template.keys("Hello {{ name }}"))
    assert [row.address for row in found.rows] == ["b@example.com"]
    assert found.left_out[0].reason == "a line break in name, which the subject uses"
    assert [row.address for row in mailing.read(file).rows] == ["a@example.com", "b@example.com"]


def test_unknown_fields_are_named_with_the_columns_there_are():
    file = b"email,First name\na@example.com,Nina\n"
    errors = refused(file=file, subject="{{ first_name }} {{frist_name}}", html="{{ ort|da }} {{ open")
    assert errors["subject"] == ["{{ frist_name }} is not a column of people.csv. There are: email, First name."]
    assert errors["html"] == [
        "'{{ open' is not a field: expected {{ name }} or {{ name|fallback }}.",
        "{{ ort }} is not a column of people.csv. There are: email, First name.",
    ]
    assert "there is no file" in refused(to="a@example.com", text="Hi {{ name }}")["text"][0]


def test_with_a_file_nobody_else_gets_a_copy():
    errors = refused(file=b"email\na@example.com\n", to="x@example.com", cc="y@example.com")
    assert set(errors) == {"to", "cc"}
    assert "leave Cc empty" in errors["cc"][0]


def test_fields_are_filled_in_and_escaped_in_html():
    values = {"first_name": "<b>Ö</b>", "city": ""}
    text = "{{first_name}}, {{ First Name }} in {{ city|your city }}{{ city|'' }}{{ city }}"
    assert template.render(text, values) == "<b>Ö</b>, <b>Ö</b> in your city"
    assert template.render("<p>{{ first_name }}{{ city|&nbsp; }}", values, html=True) == (
        "<p>&lt;b&gt;Ö&lt;/b&gt;&nbsp;"
    )
    assert template.render("{{ a }}", {"a": "{{ b }}", "b": "no"}) == "{{ b }}"


def test_attachments_have_a_limit_together():
    files = [SimpleUploadedFile(f"{n}.bin", b"x") for n in range(2)]
    for file in files:
        file.size = 10 * 1024 * 1024
    form = bind(SendEmail, {"subject": "s", "text": "t", "to": "a@example.com"}, MultiValueDict({"attachments": files}))
    with pytest.raises(Refused) as caught:
        cleaned(form)
    assert caught.value.errors == {"attachments": ["20 MB together: at most 18 MB are taken."]}


def test_the_preview_says_what_will_happen(settings):
    settings.EMAIL_IS_CAUGHT = False
    data = checked(file=b"email,name\na@example.com,Nina\nb@example.com,Jo\n", subject="Hello {{ name }}", dry_run=True)
    assert SendEmail.preview(data) == [
        ("Sends", "2 messages, one for each usable row of people.csv"),
        ("From", settings.DEFAULT_FROM_EMAIL),
        ("Read as", "UTF-8, comma between the values, header on line 1, addresses in email"),
        ("First subject", "Hello Nina"),
        ("First recipient", "a@example.com"),
        ("Dry run", "Nothing is sent; the result shows the first three messages."),
    ]
    assert SendEmail.preview({}) == []
