"""The kind "email" with servers that break after the message, want a login for some, or answer as none should."""

import pytest

from jobs.core.errors import PermanentError
from jobs.kinds._email.book import TemporaryFailure
from jobs.kinds._email.conversation import Conversation
from tests.unit.contexts import RecordingContext
from tests.unit.smtp_servers import DROP
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

pytestmark = pytest.mark.django_db
LOGIN = "530 5.7.0 Authentication required"


def test_an_address_that_no_server_can_be_told_of_is_left_out_alone(server, ctx):  # noqa: F811
    file = "email\nann@example.com\nİsmail@example.com\nbob@example.com\n".encode()
    result = run(ctx, params_of(ctx, file))
    assert (result["sent"], result["left_out"]) == (2, 1)
    assert "'İ'" in result["first_left_out"][0]["reason"]
    assert [taken.recipients for taken in server.taken] == [["ann@example.com"], ["bob@example.com"]]


def test_an_address_that_cannot_be_written_in_a_command_is_refused_alone(server):  # noqa: F811
    addresses = ["a@example.com", "ı@example.com", "b@example.com"]
    conversation, told = Conversation(), []
    outcomes = conversation.deliver("shop@example.com", addresses, b"Subject: Hi\r\n\r\nHi\r\n", told.extend)
    alone = conversation.deliver("shop@example.com", addresses[1:2], b"Hi\r\n", told.extend)
    conversation.close()
    assert [outcomes[address].state for address in addresses] == ["sent", "refused", "sent"]
    assert alone == {"ı@example.com": outcomes["ı@example.com"]}
    assert told == ["a@example.com", "b@example.com"] == server.offered


def test_a_login_that_the_server_wants_for_one_address_is_that_ones_refusal(server, ctx):  # noqa: F811
    server.rcpt = {"b@example.net": [LOGIN]}
    result = run(ctx, params_of(ctx, to="a@example.com, b@example.net"))
    assert (result["sent"], result["refused"]) == (1, 1)
    assert result["first_refused"] == [{"to": "b@example.net", "reason": LOGIN}]
    assert states(ctx) == {"a@example.com": "sent", "b@example.net": "refused"}
    assert [taken.recipients for taken in server.taken] == [["a@example.com"]]


def test_after_a_break_too_a_login_wanted_for_one_address_is_that_ones_refusal(server, ctx):  # noqa: F811
    server.rcpt, server.data, server.keeps_dropped = {"b@example.net": [LOGIN]}, [DROP], True
    result = run(ctx, params_of(ctx, to="a@example.com, b@example.net"))
    assert (result["unknown"], result["refused"]) == (1, 1)
    assert states(ctx) == {"a@example.com": "unknown", "b@example.net": "refused"}
    assert len(server.taken) == 1


def test_a_message_put_off_for_whom_the_server_took_waits_for_no_login(server, ctx, tmp_path):  # noqa: F811
    server.rcpt, server.data = {"b@example.net": [LOGIN]}, ["451 later"]
    params = params_of(ctx, to="a@example.com, b@example.net")
    with pytest.raises(TemporaryFailure, match=r"1 of 2 not sent: a@example.com: 451 later"):
        run(ctx, params)
    result = run(RecordingContext(tmp_path, attempt=2, max_attempts=7, ledger=ctx.ledger), params)
    assert (result["sent"], result["refused"]) == (1, 1)


def test_a_login_wanted_where_nobody_is_taken_ends_the_job_which_a_retry_sends_whole(server, ctx, tmp_path):  # noqa: F811
    server.rcpt = {"a@example.com": ["550 no"], "b@example.net": [LOGIN]}
    params = params_of(ctx, to="a@example.com, b@example.net")
    with pytest.raises(PermanentError, match=f"wants another login than EMAIL_URL gives: {LOGIN}"):
        run(ctx, params)
    assert set(states(ctx).values()) == {"deferred"}
    assert run(RecordingContext(tmp_path, attempt=2, ledger=ctx.ledger), params)["sent"] == 2
    assert [sorted(taken.recipients) for taken in server.taken] == [["a@example.com", "b@example.net"]]


def test_a_server_that_breaks_after_every_message_is_left_alone_for_now(server, ctx, tmp_path):  # noqa: F811
    addresses = [f"p{number}@example.com" for number in range(6)]
    server.data, server.keeps_dropped = [DROP] * 3, True
    file = "\n".join(["email", *addresses]).encode()
    with pytest.raises(TemporaryFailure, match=r"3 of 6 not sent: .* ends every conversation: the connection broke"):
        run(ctx, params_of(ctx, file))
    assert list(states(ctx).values()) == ["unknown"] * 3 + ["deferred"]
    again = RecordingContext(tmp_path / "again", attempt=2, max_attempts=7, ledger=ctx.ledger)
    result = run(again, params_of(again, file))
    assert (result["sent"], result["unknown"]) == (3, 3)
    assert server.offered == addresses


def test_a_mailing_whose_last_letters_may_have_been_sent_has_nothing_to_wait_for(server, ctx):  # noqa: F811
    server.data = [DROP] * 3
    assert run(ctx, params_of(ctx, PEOPLE))["unknown"] == 3


def test_an_answer_to_the_message_that_is_none_leaves_it_unknown(server, ctx):  # noqa: F811
    server.data = ["250 OK", "hello?"]
    result = run(ctx, params_of(ctx, PEOPLE))
    assert (result["sent"], result["unknown"]) == (2, 1)
    assert "no answer of SMTP" in result["first_unknown"][0]["reason"]
    assert server.offered == ["a@example.com", "b@example.com", "c@example.com"]


def test_a_message_is_sent_whatever_the_number_of_the_servers_yes(server, ctx):  # noqa: F811
    server.data = ["251 will forward", "200 fine"]
    assert run(ctx, params_of(ctx, PEOPLE))["sent"] == 3


@pytest.mark.parametrize("yes", ["250 OK", "251 will forward", "252 cannot check it, and will try", "254 fine"])
def test_a_recipient_is_taken_whatever_the_number_of_the_servers_yes(server, ctx, yes):  # noqa: F811
    server.rcpt = {"b@example.com": [yes]}
    assert run(ctx, params_of(ctx, PEOPLE))["sent"] == 3
    assert [taken.recipients for taken in server.taken] == [["a@example.com"], ["b@example.com"], ["c@example.com"]]


def test_one_recipient_of_many_is_taken_with_such_a_yes(server, ctx):  # noqa: F811
    server.rcpt = {"a@example.com": ["252 perhaps"], "b@example.net": ["550 no"]}
    result = run(ctx, params_of(ctx, to="a@example.com, b@example.net"))
    assert (result["sent"], result["refused"]) == (1, 1)
    assert [taken.recipients for taken in server.taken] == [["a@example.com"]]
