"""The kind "email" at work: Django's SMTP, a real server on the loopback, every way in which sending goes wrong."""

import csv
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.utils.datastructures import MultiValueDict

from jobs.core.errors import Cancelled, PermanentError
from jobs.keeper import suppression as copy
from jobs.kinds._email.book import TemporaryFailure
from jobs.kinds.email import SendEmail
from jobs.submit.validate import bind, cleaned, to_json
from tests.services import closed_port
from tests.unit.contexts import DictLedger, RecordingContext
from tests.unit.smtp_servers import DROP, Scripted, in_thread, refuse_login

PEOPLE = b"email,name\na@example.com,Ann\nb@example.com,Bob\nc@example.com,\n"


pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def suppression_list(clean_redis, db):
    """The keeper's copy of the list, without which nothing is sent."""
    copy.step()


@pytest.fixture
def mail_settings(settings):
    settings.EMAIL_IS_CAUGHT = False
    settings.EMAIL_HOST = "127.0.0.1"
    settings.DEFAULT_FROM_EMAIL = "Shop <shop@example.com>"
    return settings


@pytest.fixture
def server(mail_settings):
    handler = Scripted()
    with in_thread(handler) as port:
        mail_settings.EMAIL_PORT = port
        yield handler


@pytest.fixture
def ctx(tmp_path):
    return RecordingContext(tmp_path)


def params_of(ctx, recipients: bytes | None = None, attachments: dict[str, bytes] | None = None, **given):
    """Parameters as `run` gets them, by way of the form."""
    uploads = {"recipients": {"people.csv": recipients} if recipients is not None else {}, "attachments": attachments}
    files = MultiValueDict(
        {field: [SimpleUploadedFile(*file) for file in files.items()] for field, files in uploads.items() if files}
    )
    form = bind(SendEmail, {"subject": "Hello", "text": "Hi", **given}, files)
    stored = {field: [ctx.upload(*file) for file in (files or {}).items()] for field, files in uploads.items()}
    return {**to_json(form, cleaned(form)), **stored}


def run(ctx, params):
    """As in the io pool, where every query is refused."""

    def refuse(*query):
        raise AssertionError(f"SQL in the io pool: {query[1]}")

    with connection.execute_wrapper(refuse):
        return SendEmail().run(json.loads(json.dumps(params)), ctx)


def states(ctx) -> dict[str, str]:
    return {key: entry["state"] for key, entry in ctx.ledger.all().items()}


def test_one_message_goes_to_everybody_with_its_files(server, ctx):
    files = {"rows.csv": b"a;b\r\n1;2\n\xef", "bücher.txt": "Grüße\n".encode()}
    params = params_of(
        ctx, to=["Ann <a@example.com>", "b@example.com"], cc="c@example.com", bcc="hidden@example.org, A@example.com",
        reply_to="answers@example.com", text="Grüße", html="<p>Grüße</p>", attachments=files,
    )  # fmt: skip
    counts = {"recipients": 4, "sent": 4, "refused": 0, "unknown": 0, "skipped": 0, "left_out": 0}
    assert run(ctx, params) == {"summary": "4 sent.", **counts}
    [taken] = server.taken
    assert taken.sender == "shop@example.com"
    assert sorted(taken.recipients) == ["a@example.com", "b@example.com", "c@example.com", "hidden@example.org"]
    message = taken.message
    assert (message["From"], message["To"]) == ("Shop <shop@example.com>", "Ann <a@example.com>, b@example.com")
    assert (message["Cc"], message["Reply-To"], message["Bcc"]) == ("c@example.com", "answers@example.com", None)
    assert message["X-Jobsite-Job"] == ctx.job_id
    assert b"hidden@example.org" not in taken.source
    assert message.get_body(("plain",)).get_content().strip() == "Grüße"
    assert message.get_body(("html",)).get_content().strip() == "<p>Grüße</p>"
    found = {part.get_filename(): part.get_payload(decode=True) for part in message.iter_attachments()}
    assert found == files


def test_html_alone_is_html(server, ctx):
    run(ctx, params_of(ctx, to="a@example.com", text="", html="<p>Hi</p>"))
    assert server.taken[0].message.get_content_type() == "text/html"


def test_each_row_gets_its_own_message_over_one_connection(server, ctx):
    at_data = []
    server.on_data = lambda recipients: at_data.append((recipients[0], dict(states(ctx))))
    params = params_of(
        ctx, PEOPLE, subject="Hello {{ name|friend }}", text="Dear {{ name|you }},", html="<b>{{ name }}</b>"
    )
    result = run(ctx, params)
    assert (result["recipients"], result["sent"]) == (3, 3)
    assert [(t.recipients, t.message["To"], t.message["Subject"]) for t in server.taken] == [
        (["a@example.com"], "a@example.com", "Hello Ann"),
        (["b@example.com"], "b@example.com", "Hello Bob"),
        (["c@example.com"], "c@example.com", "Hello friend"),
    ]
    assert server.connections == 1
    # The ledger said "sending" before the server had the message, and "sent" before the next one began.
    assert at_data == [
        ("a@example.com", {"a@example.com": "sending"}),
        ("b@example.com", {"a@example.com": "sent", "b@example.com": "sending"}),
        ("c@example.com", {"a@example.com": "sent", "b@example.com": "sent", "c@example.com": "sending"}),
    ]
    assert ctx.reports == [(0, 3, "sent"), (1, 3, "sent"), (2, 3, "sent"), (3, 3, "sent")]
    assert SendEmail.title(params) == "Hello …"


def test_message_ids_are_fixed_per_recipient_and_job(server, ctx, tmp_path):
    params = params_of(ctx, PEOPLE)
    run(ctx, params)
    run(RecordingContext(tmp_path / "again"), params)
    run(RecordingContext(tmp_path / "other", job_id="another"), params)
    ids = [taken.message["Message-ID"] for taken in server.taken]
    assert ids[:3] == ids[3:6]
    assert len(set(ids)) == 6
    assert all(found.endswith("@example.com>") for found in ids)


def test_a_refused_address_fails_alone_with_the_servers_answer(server, ctx):
    server.rcpt = {"b@example.com": ["550 5.1.1 no such user"]}
    result = run(ctx, params_of(ctx, PEOPLE))
    assert (result["sent"], result["refused"], result["summary"]) == (2, 1, "2 sent, 1 refused.")
    assert result["first_refused"] == [{"to": "b@example.com", "reason": "550 5.1.1 no such user"}]
    assert states(ctx) == {"a@example.com": "sent", "b@example.com": "refused", "c@example.com": "sent"}
    assert ctx.lines == ["b@example.com refused: 550 5.1.1 no such user"]


def test_a_refused_message_leaves_the_connection_usable(server, ctx):
    server.data = ["250 OK", "554 looks like spam", "250 OK"]
    result = run(ctx, params_of(ctx, PEOPLE))
    assert result["first_refused"] == [{"to": "b@example.com", "reason": "554 looks like spam"}]
    assert [taken.recipients for taken in server.taken] == [["a@example.com"], ["c@example.com"]]
    assert server.connections == 1


def test_of_one_message_each_address_has_its_own_outcome(server, ctx, tmp_path):
    server.rcpt = {"b@example.com": ["550 no"], "c@example.com": ["450 later"]}
    params = params_of(ctx, to="a@example.com, b@example.com", cc="c@example.com")
    with pytest.raises(TemporaryFailure, match=r"1 of 3 not sent: c@example.com: 450 later"):
        run(ctx, params)
    assert states(ctx) == {"a@example.com": "sent", "b@example.com": "refused", "c@example.com": "deferred"}
    result = run(RecordingContext(tmp_path, attempt=2, max_attempts=7, ledger=ctx.ledger), params)
    assert (result["sent"], result["refused"]) == (2, 1)
    assert [taken.recipients for taken in server.taken] == [["a@example.com"], ["c@example.com"]]


def test_what_the_server_puts_off_is_tried_again_alone(server, ctx, tmp_path):
    server.rcpt = {"b@example.com": ["451 4.7.1 greylisted", "451 4.7.1 greylisted", "250 OK"]}
    params = params_of(ctx, PEOPLE)
    for attempt in (1, 2):
        ctx = RecordingContext(tmp_path / str(attempt), attempt=attempt, max_attempts=7, ledger=ctx.ledger)
        with pytest.raises(TemporaryFailure, match=r"1 of 3 not sent: b@example.com: 451") as caught:
            run(ctx, {**params, "recipients": [ctx.upload("people.csv", PEOPLE)]})
    first, second = (SendEmail.retry.delay_after(caught.value, number) for number in (1, 2))
    assert 1.5 <= first <= 3
    assert 4.5 <= second <= 9
    assert SendEmail.retry.delay_after(caught.value, SendEmail.retry.attempts) is None
    ctx = RecordingContext(tmp_path / "3", attempt=3, max_attempts=7, ledger=ctx.ledger)
    assert run(ctx, {**params, "recipients": [ctx.upload("people.csv", PEOPLE)]})["sent"] == 3
    assert [taken.recipients[0][0] for taken in server.taken] == ["a", "c", "b"]


def test_a_server_that_is_not_there_is_a_temporary_failure(mail_settings, ctx):
    with closed_port() as port:
        mail_settings.EMAIL_PORT = port
        with pytest.raises(TemporaryFailure, match=f"3 of 3 not sent: 127.0.0.1:{port} cannot be reached"):
            run(ctx, params_of(ctx, PEOPLE))
    assert set(states(ctx).values()) == {"deferred"}


def test_a_connection_that_drops_before_the_message_is_opened_again(server, ctx):
    server.rcpt = {"b@example.com": [DROP]}
    assert run(ctx, params_of(ctx, PEOPLE))["sent"] == 3
    assert [taken.recipients[0][0] for taken in server.taken] == ["a", "b", "c"]
    assert server.connections == 2


def test_a_server_that_says_goodbye_is_called_again(server, ctx):
    server.rcpt = {"b@example.com": ["421 too many messages on this connection"]}
    assert run(ctx, params_of(ctx, PEOPLE))["sent"] == 3
    assert server.connections == 2


def test_a_server_that_drops_every_connection_is_left_alone_for_now(server, ctx):
    addresses = [f"p{number}@example.com" for number in range(6)]
    server.rcpt = {address: [DROP] * 9 for address in addresses}
    with pytest.raises(TemporaryFailure, match="ends every conversation"):
        run(ctx, params_of(ctx, "\n".join(["email", *addresses]).encode()))
    assert server.connections == 6
    assert server.taken == []


@pytest.mark.parametrize("kept", [True, False])
def test_a_message_that_the_server_may_have_is_unknown_and_not_sent_again(server, ctx, kept):
    server.data, server.keeps_dropped = ["250 OK", DROP], kept
    params = params_of(ctx, PEOPLE)
    result = run(ctx, params)
    assert (result["sent"], result["unknown"]) == (2, 1)
    assert result["first_unknown"][0]["to"] == "b@example.com"
    assert "while the message was on its way the connection broke" in result["first_unknown"][0]["reason"]
    assert server.offered == ["a@example.com", "b@example.com", "c@example.com"]


def test_addresses_that_a_dead_worker_was_sending_to_are_unknown(server, tmp_path):
    ledger = DictLedger()
    ledger.mark("a@example.com", "sent")
    ledger.mark("b@example.com", "sending")
    ctx = RecordingContext(tmp_path, attempt=2, ledger=ledger)
    result = run(ctx, params_of(ctx, PEOPLE))
    assert (result["sent"], result["unknown"]) == (2, 1)
    assert result["first_unknown"] == [
        {"to": "b@example.com", "reason": "the worker stopped while the message was on its way"}
    ]
    assert server.offered == ["c@example.com"]


def test_a_refused_login_ends_the_job(mail_settings, ctx):
    mail_settings.EMAIL_HOST_USER, mail_settings.EMAIL_HOST_PASSWORD = "shop", "wrong"
    with in_thread(Scripted(), authenticator=refuse_login, auth_require_tls=False) as port:
        mail_settings.EMAIL_PORT = port
        with pytest.raises(PermanentError, match=f"127.0.0.1:{port} refused the login as 'shop': 535"):
            run(ctx, params_of(ctx, PEOPLE))
    assert set(states(ctx).values()) == {"deferred"}


def test_a_missing_login_ends_the_job(mail_settings, ctx):
    with in_thread(Scripted(), auth_required=True, auth_require_tls=False) as port:
        mail_settings.EMAIL_PORT = port
        with pytest.raises(PermanentError, match="wants another login than EMAIL_URL gives: 530"):
            run(ctx, params_of(ctx, PEOPLE))


def test_a_job_fails_where_everybody_is_refused_and_can_be_retried(server, ctx, tmp_path):
    params = params_of(ctx, to="a@example.com, b@example.com")
    server.rcpt = {address: ["550 no"] for address in ("a@example.com", "b@example.com")}
    with pytest.raises(PermanentError, match=r"refused every address. a@example.com: 550 no"):
        run(ctx, params)
    assert run(RecordingContext(tmp_path, attempt=2, max_attempts=2, ledger=ctx.ledger), params)["sent"] == 2


def test_a_cancelled_mailing_stops_and_keeps_its_book(server, tmp_path):
    ctx = RecordingContext(tmp_path, cancel_at=2)
    with pytest.raises(Cancelled):
        run(ctx, params_of(ctx, PEOPLE))
    assert states(ctx) == {"a@example.com": "sent", "b@example.com": "sent"}
    assert len(server.taken) == 2


def test_without_its_ledger_nothing_more_is_sent(server, tmp_path):
    class Failing(DictLedger):
        def mark(self, key, state, note=""):
            if key == "b@example.com":
                raise ConnectionError("Redis is away")
            super().mark(key, state, note)

    ctx = RecordingContext(tmp_path, ledger=Failing())
    with pytest.raises(TemporaryFailure, match="the ledger could not be written: Redis is away"):
        run(ctx, params_of(ctx, PEOPLE))
    assert [taken.recipients for taken in server.taken] == [["a@example.com"]]


def test_a_dry_run_shows_the_first_three_and_sends_nothing(server, ctx):
    file = b"email,name\n" + b"".join(b"p%d@example.com,<%d>\n" % (n, n) for n in range(5))
    file += b"nope,x\np1@example.com,\n"
    params = params_of(ctx, file, subject="No {{name}}", text="T {{name}}", html="<i>{{name}}</i>", dry_run=True)
    result = run(ctx, params)
    assert (result["recipients"], result["sent"], result["left_out"], result["skipped"]) == (5, 0, 1, 1)
    assert [row["row"] for row in result["first_left_out"]] == [7, 8]
    assert result["messages"][1] == {
        "to": "p1@example.com", "from": "Shop <shop@example.com>", "subject": "No <1>", "text": "T <1>",
        "html": "<i>&lt;1&gt;</i>", "attachments": [],
    }  # fmt: skip
    assert len(result["messages"]) == 3
    assert sorted(ctx.saved) == ["message-1.eml", "message-2.eml", "message-3.eml"]
    assert b"Subject: No <0>\r\n" in ctx.saved["message-1.eml"].read_bytes()
    assert (server.connections, ctx.ledger.history) == (0, [])


def test_a_dry_run_of_long_texts_stays_small(server, ctx):
    result = run(ctx, params_of(ctx, PEOPLE, text="ü" * 90_000, html="<p>" + "€" * 90_000, dry_run=True))
    assert len(json.dumps(result)) < 60_000
    assert ctx.saved["message-1.eml"].stat().st_size > 400_000


def test_the_outcome_of_many_is_a_file(server, ctx):
    server.rcpt = {"p3@example.com": ["550 =no"]}
    file = "email\n" + "".join(f"p{n}@example.com\n" for n in range(25)) + "=cmd\np1@example.com\n"
    result = run(ctx, params_of(ctx, file.encode()))
    assert (result["sent"], result["refused"], result["left_out"], result["skipped"]) == (24, 1, 1, 1)
    assert result["summary"] == "24 sent, 1 refused, 1 left out, 1 duplicate."
    rows = list(csv.DictReader(ctx.saved["recipients.csv"].read_text("utf-8-sig").splitlines()))
    assert len(rows) == 27
    assert rows[3] == {"recipient": "p3@example.com", "outcome": "refused", "answer": "550 =no", "row": ""}
    assert rows[25] == {"recipient": "'=cmd", "outcome": "left out", "answer": "'=cmd' is not an address", "row": "27"}
    assert rows[26]["outcome"] == "duplicate"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("subject", "Hello\r\nBcc: evil@example.com"),
        ("from_email", "shop@example.com\r\nBcc: evil@example.com"),
        ("to", ["a@example.com\r\nBcc: evil@example.com"]),
        ("reply_to", ["a@example.com\nBcc: evil@example.com"]),
    ],
)
def test_no_header_is_built_with_a_line_break_even_past_the_form(server, ctx, field, value):
    with pytest.raises(ValueError, match=r"line break|newlines"):
        run(ctx, {**params_of(ctx, to="a@example.com"), field: value})
    assert server.taken == []


def test_an_attachments_name_cannot_carry_a_header(server, ctx):
    params = params_of(ctx, to="a@example.com", attachments={"a.txt": b"x"})
    params["attachments"][0]["name"] = 'a"\r\nX-Evil: yes\r\n.txt'
    run(ctx, params)
    [part] = server.taken[0].message.iter_attachments()
    assert part["X-Evil"] is None
    assert b"\r\nX-Evil" not in server.taken[0].source


def test_the_test_mailbox_is_found_through_its_file(server, ctx, settings, tmp_path):
    settings.EMAIL_IS_CAUGHT, settings.VAR_DIR = True, tmp_path
    (tmp_path / "smtp.url").write_text(f"smtp://127.0.0.1:{settings.EMAIL_PORT}\n")
    settings.EMAIL_PORT = 1
    assert run(ctx, params_of(ctx, to="a@example.com"))["sent"] == 1
