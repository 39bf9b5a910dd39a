"""The kind "email": workbooks, allowed senders, the speed limit, and a test before the mailing."""

import threading
import time
from datetime import datetime

import pytest
import xlsxwriter
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.datastructures import MultiValueDict

from jobs.core.errors import Busy, Cancelled, Refused
from jobs.core.fields import MB
from jobs.core.outage import outage_of
from jobs.kinds._email import mailing, workbook
from jobs.kinds._email.pace import Pace
from jobs.kinds._tables import workbook as _tables
from jobs.kinds.email import SendEmail
from jobs.submit.validate import bind, cleaned
from tests.unit.contexts import RecordingContext
from tests.unit.test_email_kind import (  # noqa: F401
    PEOPLE,
    ctx,
    mail_settings,
    params_of,
    run,
    server,
    states,
    suppression_list,
)
from tests.unit.workbooks import FAR
from tests.unit.workbooks import workbook as made

pytestmark = pytest.mark.django_db


def checked(name="people.csv", content=None, **params):
    files = MultiValueDict({"recipients": [SimpleUploadedFile(name, content)]}) if content is not None else None
    return cleaned(bind(SendEmail, {"subject": "Hello", "text": "Hi", **params}, files))


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "people.xlsx"
    with xlsxwriter.Workbook(path) as new:
        sheet = new.add_worksheet()
        sheet.write_row(0, 0, ["Name", "E-Mail", "joined", "points"])
        sheet.write_row(1, 0, ["Jürgen", "j@example.com"])
        sheet.write_datetime(1, 2, datetime(2026, 11, 21), new.add_format({"num_format": "dd.mm.yyyy"}))
        sheet.write_number(1, 3, 7)
        sheet.write_row(3, 0, ["Nobody", "none"])
    return path.read_bytes()


def test_a_workbook_is_kept_as_csv_with_its_rows_in_their_places(book):
    (file,) = checked("people.xlsx", book)["recipients"]
    assert file.name == "people.xlsx.csv"
    found = mailing.read(file.read())
    assert [(row.number, row.address) for row in found.rows] == [(2, "j@example.com")]
    assert found.rows[0].values == {"name": "Jürgen", "e_mail": "j@example.com", "joined": "2026-11-21", "points": "7"}
    assert [row.number for row in found.left_out] == [4]


def test_a_workbook_is_read_once_while_its_form_is_filled_in(book, monkeypatch):
    started = []
    workbook._remembered.cache_clear()
    monkeypatch.setattr(workbook, "read", lambda *args: started.append(1) or _tables.read(*args))
    for subject in ("H", "He", "Hel"):
        (file,) = checked("people.xlsx", book, subject=subject)["recipients"]
        assert b"j@example.com" in file.read()
    assert len(started) == 1


def test_workbooks_are_read_one_at_a_time_and_of_very_many_some_are_told_to_come_again(monkeypatch):
    within, most, told, lock = [0], [0], [], threading.Lock()

    def counted(*args):
        with lock:
            within[0] += 1
            most[0] = max(most[0], within[0])
        try:
            return _tables.read(*args)
        finally:
            with lock:
                within[0] -= 1

    def one(number):
        try:
            told.append(workbook.as_csv(made({"A1": "email", "A2": f"a{number}@example.com"})))
        except Busy as error:
            told.append(str(error))

    monkeypatch.setattr(workbook, "read", counted)
    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert most == [1]
    busy = [answer for answer in told if isinstance(answer, str)]
    assert len(told) == 8 and len(busy) == 3 and "Send yours again in a moment" in busy[0]
    assert outage_of(Busy(busy[0])).status == 503


def test_a_workbook_too_large_by_its_own_words_is_not_begun_with(monkeypatch):
    monkeypatch.setattr(workbook, "read", lambda *args: pytest.fail("it was read"))
    with pytest.raises(Refused) as refused:
        checked("people.xlsx", made({"A1": "email"}, declared=300 * MB))
    assert "unpacks to 300 MB: at most 200 MB are taken" in refused.value.errors["recipients"][0]
    with pytest.raises(Refused) as refused:
        checked("people.xlsx", made({"A1": "email"}, dimension="A1:XFD1048576"))
    assert "17,179,869,184 cells: at most 20,000,000" in refused.value.errors["recipients"][0]


def test_what_is_no_workbook_is_told():
    with pytest.raises(Refused) as refused:
        checked("people.xlsx", b"PK\x03\x04 and more")
    assert "The workbook cannot be read as XLSX" in refused.value.errors["recipients"][0]


def test_a_workbook_with_a_cell_far_from_the_table_is_refused_and_ends_no_process():
    with pytest.raises(Refused) as refused:
        checked("people.xlsx", FAR)
    assert "A cell far from the others may be the reason" in refused.value.errors["recipients"][0]


def test_cells_of_a_workbook_may_hold_what_csv_is_made_of(tmp_path):
    path = tmp_path / "people.xlsx"
    cells = ['"Ann", of 3; or 4', "two\nlines", "a\rb", " spaced ", "2026-11-21 00:00:00 UTC"]
    with xlsxwriter.Workbook(path) as new:
        sheet = new.add_worksheet()
        sheet.write_row(0, 0, ["email", "a", "b", "c", "d", "e"])
        sheet.write_row(1, 0, ["a@example.com", *cells])
    (row,) = mailing.read(checked("people.xlsx", path.read_bytes())["recipients"][0].read()).rows
    assert list(row.values.values()) == ["a@example.com", *(cell.strip() for cell in cells)]


def test_an_empty_workbook_is_told(tmp_path):
    with xlsxwriter.Workbook(tmp_path / "people.xlsx") as workbook:
        workbook.add_worksheet()
    with pytest.raises(Refused) as refused:
        checked("people.xlsx", (tmp_path / "people.xlsx").read_bytes())
    assert "The file is empty" in refused.value.errors["recipients"][0]


@pytest.mark.parametrize(
    "sender, allowed",
    [
        ("", True),
        ("Anybody <shop@example.com>", True),
        ("NEWS@example.org", True),
        ("Boss <any@example.net>", True),
        ("other@example.org", False),
        ("any@sub.example.net", False),
    ],
)
def test_only_allowed_senders(settings, sender, allowed):
    settings.DEFAULT_FROM_EMAIL = "Shop <shop@example.com>"
    settings.ALLOWED_SENDERS = ["news@example.org", "@example.net"]
    if allowed:
        assert checked(to="a@example.com", from_email=sender)["from_email"] == sender
        return
    with pytest.raises(Refused) as refused:
        checked(to="a@example.com", from_email=sender)
    expected = f"{sender} may not be sent from here. Allowed: shop@example.com, news@example.org, @example.net."
    assert refused.value.errors == {"from_email": [expected]}


def test_a_test_sends_the_first_message_alone_and_to_oneself(server, ctx):  # noqa: F811
    params = params_of(ctx, PEOPLE, subject="Dear {{ name }}", test_to="Me <me@example.com>")
    result = run(ctx, params)
    assert result["sent"] == 1 and states(ctx) == {"me@example.com": "sent"}
    (envelope,) = server.taken
    assert envelope.recipients == ["me@example.com"] and b"Subject: Dear Ann" in envelope.source


def test_a_test_of_one_message_goes_to_nobody_else(server, ctx):  # noqa: F811
    run(ctx, params_of(ctx, to="a@example.com", cc="b@example.com", bcc="c@example.com", test_to="me@example.com"))
    (envelope,) = server.taken
    assert envelope.recipients == ["me@example.com"] and b"b@example.com" not in envelope.source


def test_the_speed_limit_holds(server, ctx):  # noqa: F811
    began = time.monotonic()
    assert run(ctx, params_of(ctx, PEOPLE, per_second=5))["sent"] == 3
    assert time.monotonic() - began >= 0.4


def test_a_slow_mailing_can_be_cancelled_between_two_messages(server, tmp_path):  # noqa: F811
    ctx = RecordingContext(tmp_path, cancel_at=3)  # noqa: F811
    began = time.monotonic()
    with pytest.raises(Cancelled):
        run(ctx, params_of(ctx, PEOPLE, per_second=0.1))
    assert time.monotonic() - began < 5 and states(ctx) == {"a@example.com": "sent"}


def test_what_was_late_is_not_made_up_for_by_a_burst():
    pace = Pace(20, lambda: None)
    pace.wait()
    time.sleep(0.2)
    pace.wait()
    began = time.monotonic()
    pace.wait()
    assert time.monotonic() - began >= 0.04


def test_a_speed_at_which_it_would_never_end_is_refused():
    with pytest.raises(Refused) as refused:
        checked(content=b"email\n" + b"".join(b"a%d@example.com\n" % number for number in range(500)), per_second=0.01)
    assert "more than 12 hours" in refused.value.errors["per_second"][0]
