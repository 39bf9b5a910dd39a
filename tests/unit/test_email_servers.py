"""The kind "email" with servers that break after the message, want a login for some, or answer as none should."""

import pytest

from tests.unit.test_email_kind import (  # noqa: F401
    ctx,
    mail_settings,
    params_of,
    run,
    server,
    suppression_list,
)

pytestmark = pytest.mark.django_db


def test_an_address_that_no_server_can_be_told_of_is_left_out_alone(server, ctx):  # noqa: F811
    file = "email\nann@example.com\nİsmail@example.com\nbob@example.com\n".encode()
    result = run(ctx, params_of(ctx, file))
    assert (result["sent"], result["left_out"]) == (2, 1)
    assert "'İ'" in result["first_left_out"][0]["reason"]
    assert [taken.recipients for taken in server.taken] == [["ann@example.com"], ["bob@example.com"]]
